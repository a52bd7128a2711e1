import type { EventRow } from '../../api/types'
import { ButtonLink } from '../../part/ButtonLink'
import { Drawer } from '../../part/Drawer'
import { useText } from '../../text/text'
import { around } from './around'
import { EventFacts } from './EventFacts'
import { EventMeaning } from './EventMeaning'

interface Props {
  event: EventRow
  onClose: () => void
  onNarrow: (field: string, value: string) => void
}

export function EventDrawer({ event, onClose, onNarrow }: Props) {
  const { t, code } = useText()
  return (
    <Drawer title={t('event.title', { place: code('place.', event.service, undefined, 'place.other') })} onClose={onClose}>
      <EventMeaning event={event} />
      <EventFacts event={event} onNarrow={onNarrow} narrow />
      <div className="flex flex-wrap gap-2">
        <ButtonLink small look="primary" href={`/events/${event['event.id']}`}>
          {t('event.permanent')}
        </ButtonLink>
        <ButtonLink small href={around(event)}>
          {t('event.around')}
        </ButtonLink>
      </div>
    </Drawer>
  )
}
