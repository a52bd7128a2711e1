import type { Json } from '../api/types'
import { Checkbox } from '../part/Checkbox'
import { Segments } from '../part/Segments'
import { useText } from '../text/text'
import type { FieldForm } from './forms'
import { ListControl } from './ListControl'
import { NumberInput } from './NumberInput'
import type { RowErrors } from './RowError'

interface Props {
  service: string
  field: FieldForm
  value: Json
  disabled: boolean
  errors: RowErrors
  describedBy: string
  onChange: (value: Json) => void
}

/** The control of one policy field, by its kind. */
export function Control({ service, field, value, disabled, errors, describedBy, onChange }: Props) {
  const { t, code } = useText()
  const prefix = `policy.${service}.${field.name}`
  const label = t(prefix)
  switch (field.kind) {
    case 'choice':
      return (
        <Segments
          label={label}
          value={String(value)}
          disabled={disabled}
          describedBy={describedBy}
          segments={field.options.map((o) => ({ value: o, label: t(`${prefix}.${o}`) }))}
          onChange={onChange}
        />
      )
    case 'level':
      return (
        <Segments
          label={label}
          value={String(value)}
          disabled={disabled}
          describedBy={describedBy}
          segments={Array.from({ length: field.most - field.least + 1 }, (_, i) => ({
            value: String(field.least + i),
            label: String(field.least + i),
          }))}
          onChange={(v) => onChange(Number(v))}
        />
      )
    case 'yesno':
      return (
        <Segments
          label={label}
          value={value ? 'yes' : 'no'}
          disabled={disabled}
          describedBy={describedBy}
          segments={[
            { value: 'no', label: t('policy.no') },
            { value: 'yes', label: t('policy.yes') },
          ]}
          onChange={(v) => onChange(v === 'yes')}
        />
      )
    case 'number':
      return (
        <NumberInput
          label={label}
          value={Number(value)}
          least={field.least}
          most={field.most}
          unit={code(prefix + '.', 'unit', undefined, 'policy.no_unit')}
          disabled={disabled}
          describedBy={describedBy}
          invalid={errors.length > 0}
          onChange={onChange}
        />
      )
    case 'set': {
      const have = Array.isArray(value) ? value.map(String) : []
      return (
        <fieldset disabled={disabled} aria-describedby={describedBy}>
          <legend className="sr-only">{label}</legend>
          {field.options.map((o) => (
            <Checkbox
              key={o}
              checked={have.includes(o)}
              onChange={(on) => onChange(field.options.filter((x) => (x === o ? on : have.includes(x))))}
            >
              {t(`${prefix}.${o}`)}
            </Checkbox>
          ))}
        </fieldset>
      )
    }
    case 'list':
      return (
        <ListControl
          service={service}
          field={field}
          rows={Array.isArray(value) ? value : []}
          disabled={disabled}
          errors={errors}
          onChange={onChange}
        />
      )
  }
}
