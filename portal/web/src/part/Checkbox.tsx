import type { ReactNode } from 'react'

interface Props {
  checked: boolean
  onChange: (checked: boolean) => void
  children: ReactNode
  className?: string
}

export function Checkbox({ checked, onChange, children, className = '' }: Props) {
  return (
    <label className={`flex min-h-9 cursor-pointer py-1 items-center gap-2.5 max-md:min-h-12 ${className}`}>
      <input type="checkbox" checked={checked} onChange={(e) => onChange(e.target.checked)} className="size-5 shrink-0 accent-blue-900" />
      <span className="min-w-0 grow">{children}</span>
    </label>
  )
}
