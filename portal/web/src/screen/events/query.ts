import type { Params } from '../../api/client'

/** What narrows the events on the screen, as the address holds it. */
export interface Narrowing {
  q: string
  since: string
  from: string
  to: string
  tenant: string
  service: string
  action: string
  outcome: string
  /** Values of fields, as field=value; values of one field are alternatives. */
  only: string[]
}

export const fallbackSince = '1h'

export function narrowingOf(query: URLSearchParams): Narrowing {
  const one = (name: string) => query.get(name) ?? ''
  const from = one('from')
  return {
    q: one('q'),
    since: from ? '' : one('since') || fallbackSince,
    from,
    to: one('to'),
    tenant: one('tenant'),
    service: one('service'),
    action: one('action'),
    outcome: one('outcome'),
    only: query.getAll('only'),
  }
}

/** Where the pipes of a LogsQL query begin; its length without pipes. A bar in a quoted text is none. */
export function pipeAt(q: string): number {
  let quote = ''
  for (let i = 0; i < q.length; i++) {
    const c = q.charAt(i)
    if (quote) {
      if (c === '\\' && quote !== '`') i++
      else if (c === quote) quote = ''
    } else if (c === '"' || c === "'" || c === '`') quote = c
    else if (c === '|') return i
  }
  return q.length
}

/** Splits field=value at its first sign. */
export function split(only: string): [field: string, value: string] {
  const at = only.indexOf('=')
  return at < 0 ? [only, ''] : [only.slice(0, at), only.slice(at + 1)]
}

/** The query with the chosen values of fields in front of its own filter. */
export function compose(q: string, only: string[]): string {
  if (only.length === 0) return q
  const fields = new Map<string, string[]>()
  for (const [field, value] of only.map(split))
    fields.set(field, [...(fields.get(field) ?? []), `${JSON.stringify(field)}:=${JSON.stringify(value)}`])
  const chosen = [...fields.values()].map((values) => (values.length > 1 ? `(${values.join(' OR ')})` : values[0])).join(' AND ')
  const end = pipeAt(q)
  const filter = q.slice(0, end).trim()
  const own = filter && filter !== '*' ? ` AND (${filter})` : ''
  return (chosen + own + ' ' + q.slice(end)).trim()
}

/** The parameters of the API for a narrowing. */
export function paramsOf(n: Narrowing): Params {
  return {
    q: compose(n.q, n.only),
    since: n.since,
    from: n.from,
    to: n.to,
    tenant: n.tenant,
    service: n.service,
    action: n.action,
    outcome: n.outcome,
  }
}
