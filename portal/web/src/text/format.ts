import type { Language } from './text'

const zone = 'Asia/Tokyo'

function parts(at: Date, language: Language, options: Intl.DateTimeFormatOptions): Record<string, string> {
  const out: Record<string, string> = {}
  for (const p of new Intl.DateTimeFormat(language, { timeZone: zone, hourCycle: 'h23', ...options }).formatToParts(at))
    out[p.type] = p.value
  return out
}

const two = (text: string | undefined) => (text ?? '').padStart(2, '0')

/** 10:42, or 10:42:07 and 10:42:07.512 where seconds or milliseconds count. */
export function clockTime(at: string | number | Date, detail: 'minute' | 'second' | 'milli' = 'minute'): string {
  const date = new Date(at)
  const p = parts(date, 'en', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  let text = `${Number(p.hour)}:${two(p.minute)}`
  if (detail !== 'minute') text = `${two(p.hour)}:${two(p.minute)}:${two(p.second)}`
  if (detail === 'milli') text += '.' + String(date.getUTCMilliseconds()).padStart(3, '0')
  return text
}

/** 11月25日（水）, or with a year that is not the present one. */
export function day(at: string | number | Date, language: Language, now = Date.now()): string {
  const date = new Date(at)
  const sameYear = parts(date, 'en', { year: 'numeric' }).year === parts(new Date(now), 'en', { year: 'numeric' }).year
  const year: Intl.DateTimeFormatOptions = sameYear ? {} : { year: 'numeric' }
  const text = new Intl.DateTimeFormat(language, {
    timeZone: zone,
    month: language === 'ja' ? 'long' : 'short',
    day: 'numeric',
    weekday: 'short',
    ...year,
  }).format(date)
  return text.replace('(', '\uff08').replace(')', '\uff09')
}

/** The day without its weekday, for an axis. */
export function monthDay(at: string | number | Date, language: Language): string {
  return new Intl.DateTimeFormat(language, { timeZone: zone, month: language === 'ja' ? 'numeric' : 'short', day: 'numeric' }).format(
    new Date(at),
  )
}

/** Day and time as people read it. */
export function moment(at: string | number | Date, language: Language, detail: 'minute' | 'second' | 'milli' = 'minute'): string {
  return `${day(at, language)}${language === 'ja' ? '' : ' '}${clockTime(at, detail)}`
}

/** Whether two moments fall on the same day in Japan. */
export function sameDay(a: string | number | Date, b: string | number | Date): boolean {
  const key = (at: string | number | Date) => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(new Date(at))
  return key(a) === key(b)
}

export interface BigNumber {
  number: string
  /** The catalogue key of 万 or 億, or nothing. */
  scale: '' | 'scale.man' | 'scale.oku' | 'scale.k' | 'scale.m'
  exact: string
}

/** A number as a dashboard shows it: 2,214 and 万, with the exact value beside. */
export function bigNumber(value: number, language: Language): BigNumber {
  const exact = value.toLocaleString(language)
  const cut = (by: number) => (value / by).toLocaleString(language, { maximumSignificantDigits: value / by >= 1000 ? 4 : 3 })
  if (language === 'ja') {
    if (value >= 1e8) return { number: cut(1e8), scale: 'scale.oku', exact }
    if (value >= 1e5) return { number: cut(1e4), scale: 'scale.man', exact }
  } else {
    if (value >= 1e6) return { number: cut(1e6), scale: 'scale.m', exact }
    if (value >= 1e5) return { number: cut(1e3), scale: 'scale.k', exact }
  }
  return { number: exact, scale: '', exact }
}

/** A range in the scale of its upper end: 2,050 to 2,400 and 万. */
export function bigRange(low: number, high: number, language: Language): { low: string; high: string; scale: BigNumber['scale'] } {
  const top = bigNumber(high, language)
  const by = { '': 1, 'scale.man': 1e4, 'scale.oku': 1e8, 'scale.k': 1e3, 'scale.m': 1e6 }[top.scale]
  return { low: (low / by).toLocaleString(language, { maximumFractionDigits: top.scale ? 1 : 0 }), high: top.number, scale: top.scale }
}

/** Bytes in the unit that a person compares with. */
export function size(bytes: number, language: Language): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let at = 0
  let value = bytes
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000
    at++
  }
  return `${value.toLocaleString(language, { maximumFractionDigits: value < 10 && at > 0 ? 1 : 0 })} ${units[at]}`
}
