import type { EventRow } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { ButtonLink } from '../../part/ButtonLink'
import { Crumbs } from '../../part/Crumbs'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { around } from './around'
import { EventFacts } from './EventFacts'
import { EventMeaning } from './EventMeaning'

/** One event at its permanent address, found by its id or by the number a visitor was shown. */
export function EventScreen({ path }: { path: string }) {
  const { t, code } = useText()
  const { can } = useSession()
  const load = useLoad<EventRow>(path)
  const event = load.data
  const title = event ? t('event.title', { place: code('place.', event.service, undefined, 'place.other') }) : t('event.one')
  return (
    <Page
      title={title}
      above={<Crumbs trail={[{ label: t('room.logs'), href: '/events' }, { label: event?.['event.reference'] || t('event.one') }]} />}
    >
      <Panel from={load} what={t('event.one')}>
        {(found) => (
          <div className="flex max-w-[860px] flex-col gap-5">
            <EventMeaning event={found} />
            <EventFacts event={found} />
            <div className="flex flex-wrap gap-3">
              <ButtonLink look="primary" href={around(found)}>
                {t('event.around')}
              </ButtonLink>
              {found.service === 'waf' && found.tenant && can('policy.write') && (
                <ButtonLink href={`/bodies/${found.tenant}/policies/waf?except=${encodeURIComponent(found['event.id'] ?? '')}`}>
                  {t('event.except')}
                </ButtonLink>
              )}
              {found.service === 'waf' && found.tenant && can('policy.read') && (
                <ButtonLink href={`/bodies/${found.tenant}/policies/waf`}>{t('event.policy')}</ButtonLink>
              )}
            </div>
          </div>
        )}
      </Panel>
    </Page>
  )
}
