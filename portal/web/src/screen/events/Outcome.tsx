import type { EventRow } from '../../api/types'
import { State } from '../../part/State'
import { useText } from '../../text/text'
import { toneOf } from './toneOf'

/** What became of it. A block is green because it worked; an attack that passed is orange. */
export function Outcome({ event }: { event: EventRow }) {
  const { code } = useText()
  return <State tone={toneOf(event)}>{code('outcome.', event['event.outcome'], undefined, 'outcome.recorded')}</State>
}
