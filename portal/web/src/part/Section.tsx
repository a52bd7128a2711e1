import { useId, type ReactNode } from 'react'

interface Props {
  title: string
  aside?: ReactNode
  actions?: ReactNode
  children: ReactNode
  className?: string
}

/** A titled group of a page. */
export function Section({ title, aside, actions, children, className = '' }: Props) {
  const id = useId()
  return (
    <section aria-labelledby={id} className={`flex min-w-0 flex-col gap-3 ${className}`}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <div className="flex flex-wrap items-baseline gap-x-3">
          <h2 id={id} className="text-20 font-700">
            {title}
          </h2>
          {aside && <div className="text-ink-2">{aside}</div>}
        </div>
        {actions}
      </div>
      {children}
    </section>
  )
}
