import { useState } from 'react'
import type { EntryProblem, Tree } from '../api/types'
import { Button } from '../part/Button'
import { Checkbox } from '../part/Checkbox'
import { Dialog } from '../part/Dialog'
import { SelectField } from '../part/SelectField'
import { TextField } from '../part/TextField'
import { useText } from '../text/text'
import { rowOf, typedOf, wrongWith } from './entry'
import type { Entry, FieldForm } from './forms'

interface Props {
  service: string
  field: Extract<FieldForm, { kind: 'list' }>
  /** undefined: a new row. */
  row: Tree | undefined
  errors: EntryProblem[]
  readOnly: boolean
  onClose: () => void
  /** undefined: take the row out. */
  onSave: (row: Tree | undefined) => void
}

const types = { date: 'date', number: 'text', text: 'text', ints: 'text', words: 'text', lines: 'text' } as const

/** One row of a list, entry by entry. It changes the draft on the screen, not yet the policy. */
export function EntryDialog({ service, field, row, errors, readOnly, onClose, onSave }: Props) {
  const { t, code } = useText()
  const [typed, setTyped] = useState(() => typedOf(field.entries, row))
  const [tried, setTried] = useState(false)
  const prefix = `policy.${service}.${field.name}`
  const set = (name: string) => (value: string) => setTyped((now) => ({ ...now, [name]: value }))
  const errorOf = (e: Entry) => {
    const own = tried ? wrongWith(e, typed[e.name] ?? '') : ''
    if (own) return code('entry.', own, [typed[e.name] ?? '', e.least ?? 0, e.most ?? 0], 'entry.other')
    const sent = errors.find((x) => x.path === e.name || x.path.startsWith(e.name + '/'))
    return sent && code('entry.', sent.code, sent.args, 'entry.other')
  }
  const control = (e: Entry) => {
    const key = `${prefix}.${e.name}`
    const label = t(key)
    const help = code(key + '.', 'help', undefined, 'policy.no_help') || undefined
    const value = typed[e.name] ?? ''
    if (e.kind === 'yesno') {
      return (
        <Checkbox key={e.name} checked={value === 'true'} onChange={(on) => set(e.name)(on ? 'true' : '')}>
          {label}
        </Checkbox>
      )
    }
    if (e.kind === 'choice') {
      return (
        <SelectField
          key={e.name}
          label={label}
          help={help}
          value={value}
          onChange={set(e.name)}
          error={errorOf(e)}
          options={[{ value: '', label: t('policy.as_default') }, ...(e.options ?? []).map((o) => ({ value: o, label: t(`${key}.${o}`) }))]}
        />
      )
    }
    return (
      <TextField
        key={e.name}
        label={label}
        help={help}
        required={e.required}
        type={types[e.kind]}
        rows={e.kind === 'lines' ? 4 : undefined}
        mono={e.kind === 'lines'}
        value={value}
        onChange={set(e.name)}
        error={errorOf(e)}
        inputMode={e.kind === 'number' ? 'numeric' : undefined}
      />
    )
  }
  return (
    <Dialog title={t(prefix + (row ? '.change' : '.add'))} open onClose={onClose} wide>
      <form
        noValidate
        className="flex flex-col gap-5"
        onSubmit={(e) => {
          e.preventDefault()
          setTried(true)
          if (field.entries.some((x) => wrongWith(x, typed[x.name] ?? ''))) return
          onSave(rowOf(field.entries, typed, row))
        }}
      >
        <fieldset disabled={readOnly} className="flex flex-col gap-5">
          <legend className="sr-only">{t(prefix)}</legend>
          {field.entries.map(control)}
        </fieldset>
        {!readOnly && (
          <div className="flex flex-wrap gap-3 max-md:flex-col">
            <Button type="submit" look="primary">
              {t('policy.put_in')}
            </Button>
            {row && (
              <Button look="danger" icon="trash" onClick={() => onSave(undefined)}>
                {t('policy.take_out')}
              </Button>
            )}
          </div>
        )}
      </form>
    </Dialog>
  )
}
