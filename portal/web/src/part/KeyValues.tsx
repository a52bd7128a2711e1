import type { ReactNode } from 'react'

export interface KeyValue {
  key: string
  label: string
  value: ReactNode
  action?: ReactNode
}

/** Rows of name and value, with an action at the end where there is one. */
export function KeyValues({ rows, narrow = false }: { rows: KeyValue[]; narrow?: boolean }) {
  return (
    <dl className="flex flex-col">
      {rows.map((r) => (
        <div key={r.key} className={`flex items-start gap-3 border-b border-hair py-2 ${narrow ? '' : 'max-md:flex-col max-md:gap-0'}`}>
          <dt className={`shrink-0 text-ink-2 ${narrow ? 'w-[6.75em]' : 'w-[11em]'}`}>{r.label}</dt>
          <dd className="flex min-w-0 grow items-start justify-between gap-2">
            <div className="min-w-0">{r.value}</div>
            {r.action}
          </dd>
        </div>
      ))}
    </dl>
  )
}
