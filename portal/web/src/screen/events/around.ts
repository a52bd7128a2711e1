import { address } from '../../api/client'
import type { EventRow } from '../../api/types'

const five = 5 * 60_000

/** The search for what the same source did five minutes before and after. */
export function around(event: EventRow): string {
  const at = Date.parse(event._time ?? '')
  if (Number.isNaN(at)) return '/events'
  const source = event['source.ip']
  return address('/events', {
    from: new Date(at - five).toISOString(),
    to: new Date(at + five).toISOString(),
    only: source && `source.ip=${source}`,
  }).replace('/api/v1', '')
}
