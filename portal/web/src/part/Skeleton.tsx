import { useEffect, useState } from 'react'
import { useText } from '../text/text'

/** Gray lines while something is read for the first time; invisible for the first 300 ms. */
export function Skeleton({ rows = 4 }: { rows?: number }) {
  const { t } = useText()
  const [shown, setShown] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 300)
    return () => clearTimeout(timer)
  }, [])
  if (!shown) return <div className="min-h-24" aria-busy="true" />
  return (
    <div role="status" className="flex flex-col gap-4 p-6">
      <span className="sr-only">{t('state.loading')}</span>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} className="h-4 rounded-4 bg-solid-gray-100 nth-[2n]:w-2/3" />
      ))}
    </div>
  )
}
