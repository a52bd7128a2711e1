import type { SelectHTMLAttributes } from 'react'
import { Icon } from './Icon'

export interface Option {
  value: string
  label: string
  disabled?: boolean
}

type Props = Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange' | 'value'> & {
  value: string
  onChange: (value: string) => void
  options: Option[]
}

/** The browser's own list of choices, which phones and screen readers know best. */
export function Select({ value, onChange, options, className = '', ...rest }: Props) {
  return (
    <span className={`relative inline-block w-full ${className}`}>
      <select {...rest} value={value} onChange={(e) => onChange(e.target.value)} className="control appearance-none pr-10">
        {options.map((o) => (
          <option key={o.value} value={o.value} disabled={o.disabled}>
            {o.label}
          </option>
        ))}
      </select>
      <Icon name="down" size={18} className="pointer-events-none absolute top-1/2 right-3 -translate-y-1/2" />
    </span>
  )
}
