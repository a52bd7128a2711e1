import { Field } from './Field'

interface Props {
  label: string
  value: string
  onChange: (value: string) => void
  help?: string | undefined
  error?: string | undefined
  required?: boolean | undefined
  type?: 'text' | 'password' | 'email' | 'tel' | 'number' | 'date' | 'datetime-local'
  autoComplete?: string | undefined
  inputMode?: 'numeric' | 'text' | undefined
  /** More than one line. */
  rows?: number | undefined
  mono?: boolean | undefined
  autoFocus?: boolean | undefined
  maxLength?: number | undefined
  name?: string | undefined
}

export function TextField({ label, value, onChange, help, error, required, type = 'text', rows, mono, ...rest }: Props) {
  const className = `control ${mono ? 'font-mono' : ''}`
  return (
    <Field label={label} help={help} error={error} required={required}>
      {(wiring) =>
        rows ? (
          <textarea
            {...wiring}
            {...rest}
            rows={rows}
            value={value}
            onChange={(e) => onChange(e.target.value)}
            className={`${className} py-2`}
          />
        ) : (
          <input {...wiring} {...rest} type={type} value={value} onChange={(e) => onChange(e.target.value)} className={className} />
        )
      }
    </Field>
  )
}
