import { useId } from 'react'
import { Icon } from './Icon'

export interface Segment {
  value: string
  label: string
  disabled?: boolean
}

interface Props {
  label: string
  value: string
  segments: Segment[]
  onChange: (value: string) => void
  disabled?: boolean
  describedBy?: string | undefined
}

/** A few choices side by side, one of them taken: radio buttons to keyboard and reader. */
export function Segments({ label, value, segments, onChange, disabled = false, describedBy }: Props) {
  const name = useId()
  // Long labels stand below each other on a phone.
  const long = segments.reduce((sum, s) => sum + s.label.length, 0) > 11
  return (
    <div
      role="radiogroup"
      aria-label={label}
      aria-describedby={describedBy}
      className={`inline-flex rounded-8 border border-edge bg-white ${long ? 'max-md:flex max-md:flex-col' : ''}`}
    >
      {segments.map((s) => {
        const off = disabled || s.disabled
        const on = s.value === value
        return (
          <label
            key={s.value}
            className={`relative flex min-h-11 items-center gap-1.5 px-4 not-last:border-edge md:whitespace-nowrap ${long ? 'not-last:border-b md:not-last:border-r md:not-last:border-b-0 md:first:rounded-l-[7px] md:last:rounded-r-[7px] max-md:first:rounded-t-[7px] max-md:last:rounded-b-[7px]' : 'not-last:border-r first:rounded-l-[7px] last:rounded-r-[7px]'} has-focus-visible:z-10 has-focus-visible:outline-4 has-focus-visible:outline-offset-2 has-focus-visible:outline-black has-focus-visible:ring-2 has-focus-visible:ring-yellow-300 max-md:min-h-12 ${
              on
                ? off
                  ? 'bg-solid-gray-700 font-700 text-white'
                  : 'bg-blue-900 font-700 text-white'
                : off
                  ? 'cursor-not-allowed bg-solid-gray-50 text-ink-2'
                  : 'cursor-pointer hover:bg-blue-50'
            }`}
          >
            <input
              type="radio"
              name={name}
              value={s.value}
              checked={on}
              disabled={off}
              onChange={() => onChange(s.value)}
              className="absolute inset-0 m-0 cursor-[inherit] opacity-0"
            />
            {on && <Icon name="tick" size={18} />}
            {s.label}
          </label>
        )
      })}
    </div>
  )
}
