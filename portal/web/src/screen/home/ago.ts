import type { Text } from '../../text/text'

/** How long ago something was, in the words of the catalogue. */
export function ago(at: string, now: number, t: Text['t']): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000))
  if (seconds < 60) return t('ago.now')
  if (seconds < 3600) return t('ago.minutes', { n: Math.floor(seconds / 60) })
  if (seconds < 86_400) return t('ago.hours', { n: Math.floor(seconds / 3600) })
  return t('ago.days', { n: Math.floor(seconds / 86_400) })
}
