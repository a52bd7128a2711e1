import { Field } from './Field'
import { Select, type Option } from './Select'

interface Props {
  label: string
  value: string
  onChange: (value: string) => void
  options: Option[]
  help?: string | undefined
  error?: string | undefined
  required?: boolean | undefined
}

export function SelectField({ label, help, error, required, ...rest }: Props) {
  return (
    <Field label={label} help={help} error={error} required={required}>
      {(wiring) => <Select {...wiring} {...rest} />}
    </Field>
  )
}
