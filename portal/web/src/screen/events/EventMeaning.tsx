import type { EventRow } from '../../api/types'
import { useText } from '../../text/text'
import { Outcome } from './Outcome'
import { toneOf } from './toneOf'

/** One sentence: what this record means. */
export function EventMeaning({ event }: { event: EventRow }) {
  const { code } = useText()
  const tone = toneOf(event)
  const ground = tone === 'serious' ? 'bg-orange-50' : tone === 'ok' ? 'bg-green-50' : 'bg-side'
  const attack = code('attack.', event['rule.category'], undefined, 'attack.other')
  return (
    <div className={`rounded-8 p-3.5 ${ground}`}>
      <Outcome event={event} />
      <p>
        {code(
          'meaning.',
          event['event.action'],
          { attack, path: event['url.path'] ?? '', host: event['url.domain'] ?? '' },
          'meaning.other',
        )}
      </p>
    </div>
  )
}
