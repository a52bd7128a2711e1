import type { ButtonHTMLAttributes } from 'react'
import { Icon } from './Icon'
import type { IconName } from './icons'

export type ButtonLook = 'primary' | 'outline' | 'text' | 'danger'

const looks: Record<ButtonLook, string> = {
  primary: 'bg-blue-900 text-white border-blue-900 hover:bg-blue-1000',
  outline: 'bg-white text-blue-900 border-blue-900 hover:bg-blue-50 hover:text-blue-1000',
  text: 'border-transparent text-blue-900 underline underline-offset-[3px] hover:bg-blue-50',
  danger: 'bg-white text-red-1000 border-red-1000 hover:bg-red-50',
}

export function buttonClass(look: ButtonLook, small: boolean): string {
  const size = small ? 'min-h-9 px-3 text-16 max-md:min-h-12' : 'min-h-12 px-5 text-16 max-md:min-h-14'
  return `inline-flex items-center justify-center gap-2 rounded-8 border font-700 text-center ${size} ${looks[look]}`
}

type Props = ButtonHTMLAttributes<HTMLButtonElement> & { look?: ButtonLook; small?: boolean; icon?: IconName; busy?: boolean }

/** A verb. `primary` is the one next step of a decision. While busy it keeps its focus and does nothing. */
export function Button({ look = 'outline', small = false, icon, busy = false, className = '', children, onClick, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      onClick={busy ? (e) => e.preventDefault() : onClick}
      className={`${buttonClass(look, small)} ${className}`}
    >
      {icon && <Icon name={icon} size={18} />}
      {children}
    </button>
  )
}
