import type { EventRow, Tree } from '../api/types'

// Rules from here on only add up the scores of the others; to except one of
// them would except everything (CRS: 949 and 959 evaluate, 980 reports).
const firstSum = 949_000

interface Match {
  id?: number | string
  var?: string
}

function matches(event: EventRow): Match[] {
  try {
    const list: unknown = JSON.parse(event['waf.matches'] ?? '[]')
    return Array.isArray(list) ? (list as Match[]) : []
  } catch {
    return []
  }
}

/** The exception that would let one event's request pass: its page, its rules, and the field where all of them matched. Reason and end are left to the person. */
export function exceptionFor(event: EventRow, owner: string): Tree {
  const found = matches(event).filter((m) => Number(m.id) > 0 && Number(m.id) < firstSum)
  const rules = [...new Set(found.map((m) => Number(m.id)))]
  if (rules.length === 0 && Number(event['rule.id']) > 0) rules.push(Number(event['rule.id']))
  const fields = [
    ...new Set(found.map((m) => /^(?:ARGS|ARGS_GET|ARGS_POST|REQUEST_COOKIES|REQUEST_HEADERS):(.+)$/.exec(m.var ?? '')?.[1] ?? '')),
  ]
  const field = fields.length === 1 ? fields[0] : ''
  return { path: event['url.path'] ?? '/', rules, ...(field ? { parameter: field } : {}), reason: '', owner, expires: '' }
}
