import type { ReactNode } from 'react'

/** What would be here, why it is not, and one thing to do. */
export function EmptyState({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-start gap-3 px-6 py-8">
      <p className="phrase text-18 font-700">{title}</p>
      {children && <div className="max-w-[44em] text-ink-2">{children}</div>}
      {action}
    </div>
  )
}
