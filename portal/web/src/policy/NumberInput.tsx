import { useEffect, useState } from 'react'

interface Props {
  label: string
  value: number
  least: number
  most: number
  unit: string
  disabled: boolean
  describedBy: string
  invalid: boolean
  onChange: (value: number) => void
}

/** A whole number with its unit. What is typed stays; only a number within the bounds counts. */
export function NumberInput({ label, value, least, most, unit, disabled, describedBy, invalid, onChange }: Props) {
  const [typed, setTyped] = useState(String(value))
  useEffect(() => setTyped((now) => (Number(now) === value && now !== '' ? now : String(value))), [value])
  const number = Number(typed)
  const bad = typed === '' || !Number.isInteger(number) || number < least || number > most
  return (
    <span className="relative inline-block w-[150px]">
      <input
        aria-label={label}
        aria-describedby={describedBy}
        aria-invalid={bad || invalid || undefined}
        inputMode="numeric"
        disabled={disabled}
        value={typed}
        onChange={(e) => {
          setTyped(e.target.value)
          const next = Number(e.target.value)
          if (e.target.value !== '' && Number.isInteger(next)) onChange(next)
        }}
        onBlur={() => bad && typed === '' && setTyped(String(value))}
        className="control pr-14 disabled:bg-solid-gray-50 disabled:text-ink-2"
      />
      <span aria-hidden="true" className="absolute top-1/2 right-3 -translate-y-1/2 text-ink-2">
        {unit}
      </span>
    </span>
  )
}
