import type { ReactNode } from 'react'

export interface Moment {
  key: string
  time: ReactNode
  body: ReactNode
  now?: boolean
}

/** What happened, in order, with the present one filled. */
export function Timeline({ moments }: { moments: Moment[] }) {
  return (
    <ol className="flex flex-col">
      {moments.map((m, i) => (
        <li key={m.key} className="flex gap-3">
          <span aria-hidden="true" className="flex w-4 shrink-0 flex-col items-center">
            <span
              className={`mt-[0.4em] size-4 rounded-full border-2 ${m.now ? 'border-blue-900 bg-blue-900' : 'border-solid-gray-500 bg-white'}`}
            />
            {i < moments.length - 1 && <span className="w-px grow bg-hair" />}
          </span>
          <div className="min-w-0 grow pb-4">
            <div className="text-ink-2">{m.time}</div>
            <div>{m.body}</div>
          </div>
        </li>
      ))}
    </ol>
  )
}
