import type { EventRow } from '../../api/types'
import type { Tone } from '../../part/Sign'

/** How an event's outcome is marked. */
export function toneOf(event: EventRow): Tone {
  switch (event['event.outcome']) {
    case 'blocked':
    case 'refused':
      return 'ok'
    case 'detected':
    case 'failed':
    case 'failure':
      return 'serious'
    default:
      return 'info'
  }
}
