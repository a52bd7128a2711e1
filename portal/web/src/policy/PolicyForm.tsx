import type { EntryProblem, Json, Mode } from '../api/types'
import { Checkbox } from '../part/Checkbox'
import { Segments } from '../part/Segments'
import { useText } from '../text/text'
import { Control } from './Control'
import { below, holds, locked, withValue, type Draft, type Layers } from './draft'
import type { FieldForm } from './forms'
import { OriginChip } from './OriginChip'
import { PolicyRow } from './PolicyRow'
import { RowError } from './RowError'
import { sayValue } from './words'

interface Props {
  service: string
  fields: FieldForm[]
  layers: Layers
  draft: Draft
  body: string
  readOnly: boolean
  errors: EntryProblem[]
  onChange: (draft: Draft) => void
}

const modes: Mode[] = ['ours', 'other', 'off']

/** Any service's policy as a form: label, control, and which layer each value comes from. */
export function PolicyForm({ service, fields, layers, draft, body, readOnly, errors, onChange }: Props) {
  const text = useText()
  const { t } = text
  const locks = draft.locks ?? layers.locks
  const isBaseline = layers.layer === 'baseline'

  const lockBox = (field: string) =>
    isBaseline && (
      <Checkbox
        checked={locks.includes('/' + field)}
        onChange={(on) => {
          const next = on ? [...locks, '/' + field] : locks.filter((l) => l !== '/' + field)
          const asBefore = [...next].sort().join() === [...layers.locks].sort().join()
          onChange({ ...draft, locks: asBefore ? undefined : next })
        }}
      >
        {t('policy.lock')}
      </Checkbox>
    )
  const origin = (field: FieldForm) => {
    const now = holds(layers, draft, field.name)
    const fixed = locked(layers, field.name)
    const lower = below(layers, field.name)
    const own = !fixed && now.layer === layers.layer
    return (
      <>
        <OriginChip layer={now.changed ? layers.layer : now.layer} body={body} fixed={fixed} changed={now.changed} />
        {fixed && <span>{t('policy.fixed')}</span>}
        {own && <span>{t('policy.lower', { layer: t('layer.' + lower.layer), value: sayValue(text, service, field, lower.value) })}</span>}
        {own && !readOnly && (
          <button
            type="button"
            onClick={() => onChange(withValue(layers, draft, field.name, undefined))}
            className="link min-h-9 text-left text-16 max-md:min-h-12"
          >
            {t('policy.follow', { layer: t('layer.' + lower.layer) })}
          </button>
        )}
        {!readOnly && lockBox(field.name)}
      </>
    )
  }
  const mode = draft.mode ?? layers.mode
  const modeFixed = locked(layers, 'mode')
  return (
    <div className="card">
      <PolicyRow
        label={t('policy.mode')}
        help={t('policy.mode.help')}
        changed={!!draft.mode}
        control={(id) => (
          <Segments
            label={t('policy.mode')}
            value={mode}
            disabled={readOnly || modeFixed}
            describedBy={id}
            segments={modes.map((m) => ({ value: m, label: t('policy.mode.' + m) }))}
            onChange={(m) => onChange({ ...draft, mode: m === layers.mode ? undefined : (m as Mode) })}
          />
        )}
        origin={
          <>
            <OriginChip
              layer={draft.mode ? layers.layer : modeFixed ? 'baseline' : layers.modeFrom}
              body={body}
              fixed={modeFixed}
              changed={!!draft.mode}
            />
            {!readOnly && lockBox('mode')}
          </>
        }
      />
      {fields.map((f) => {
        const now = holds(layers, draft, f.name)
        const wrong = errors.filter((e) => e.path === '/' + f.name || e.path.startsWith(`/${f.name}/`))
        return (
          <PolicyRow
            key={f.name}
            label={t(`policy.${service}.${f.name}`)}
            help={t(`policy.${service}.${f.name}.help`)}
            changed={now.changed}
            wide={f.kind === 'list'}
            origin={origin(f)}
            control={(id) => (
              <>
                <Control
                  service={service}
                  field={f}
                  value={now.value}
                  disabled={readOnly || locked(layers, f.name)}
                  errors={wrong}
                  describedBy={id}
                  onChange={(value: Json) => onChange(withValue(layers, draft, f.name, value))}
                />
                <RowError errors={f.kind === 'list' ? wrong.filter((e) => e.path === '/' + f.name) : wrong} />
              </>
            )}
          />
        )
      })}
    </div>
  )
}
