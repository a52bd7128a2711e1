import { useId, type ReactNode } from 'react'
import { Sign } from './Sign'
import { useText } from '../text/text'

export interface Wiring {
  id: string
  'aria-describedby': string | undefined
  'aria-invalid': boolean | undefined
  'aria-required': boolean | undefined
}

interface Props {
  label: string
  help?: string | undefined
  error?: string | undefined
  required?: boolean | undefined
  /** Receives what ties the control to its label, help and error. */
  children: (wiring: Wiring) => ReactNode
}

/** Label above, help below it, control, and the error in words. */
export function Field({ label, help, error, required = false, children }: Props) {
  const id = useId()
  const { t } = useText()
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-700">
        {label}
        <span className={`ml-2 font-400 ${required ? 'text-red-1000' : 'text-ink-3'}`}>
          {t(required ? 'field.required' : 'field.optional')}
        </span>
      </label>
      {help && (
        <p id={`${id}-help`} className="text-ink-2">
          {help}
        </p>
      )}
      {children({
        id,
        'aria-describedby': described || undefined,
        'aria-invalid': error ? true : undefined,
        'aria-required': required || undefined,
      })}
      {error && (
        <p id={`${id}-error`} className="flex items-start gap-1.5 text-red-1000">
          <span className="flex h-[1.6em] items-center text-red-900">
            <Sign tone="urgent" size={18} />
          </span>
          {error}
        </p>
      )}
    </div>
  )
}
