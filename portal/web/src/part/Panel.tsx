import type { ReactNode } from 'react'
import type { Loaded } from '../api/useLoad'
import { clockTime } from '../text/format'
import { useText } from '../text/text'
import { ErrorNote } from './ErrorNote'
import { Skeleton } from './Skeleton'

/** Shows what was read: a skeleton at first, old content with its age when reading fails later. */
export function Panel<T>({
  from,
  what,
  children,
  rows,
}: {
  from: Loaded<T>
  what: string
  rows?: number
  children: (data: T) => ReactNode
}) {
  const { t } = useText()
  if (from.data === undefined) {
    if (from.error) return <ErrorNote problem={from.error} what={t('state.cannot_show', { what })} onRetry={from.reload} />
    return <Skeleton rows={rows ?? 4} />
  }
  return (
    <>
      {/* When the server is out of reach the frame says so, once for all. */}
      {from.error && from.error.status !== 0 && (
        <p role="status" className="mb-3 text-orange-1000">
          {t('state.stale', { time: clockTime(from.at) })}
        </p>
      )}
      {children(from.data)}
    </>
  )
}
