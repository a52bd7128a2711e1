import { useEffect, useState } from 'react'
import { moment } from '../text/format'
import { useText } from '../text/text'
import { Icon } from './Icon'

/** Time that is left until due, in words; over it says by how much. Heard by readers at 5 and 1 minutes only. */
export function Clock({ due, what }: { due: string; what: string }) {
  const { t, language } = useText()
  const [now, setNow] = useState(Date.now)
  const left = Math.round((Date.parse(due) - now) / 1000)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), Math.abs(left) < 3600 ? 1000 : 30_000)
    return () => clearInterval(timer)
  }, [left])
  const words = (seconds: number) => {
    const s = Math.abs(seconds)
    if (s >= 3600) return t('clock.hours', { hours: Math.floor(s / 3600), minutes: Math.floor((s % 3600) / 60) })
    return t('clock.minutes', { minutes: Math.floor(s / 60), seconds: s % 60 })
  }
  const late = left < 0
  const said = left === 300 || left === 60 ? t('clock.left', { what, time: words(left) }) : ''
  return (
    <span
      className={`inline-flex items-start gap-1.5 ${late || left < 1800 ? 'font-700 text-red-1000' : 'text-ink-2'}`}
      title={moment(due, language)}
    >
      <Icon name="clock" size={18} className="mt-1" />
      <span>{late ? t('clock.over', { what, time: words(left) }) : t('clock.left', { what, time: words(left) })}</span>
      <span className="sr-only" role="status">
        {said}
      </span>
    </span>
  )
}
