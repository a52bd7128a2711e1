import type { Found, Home } from '../../api/types'
import { useLoad, type Loaded } from '../../api/useLoad'
import { ButtonLink } from '../../part/ButtonLink'
import { EmptyState } from '../../part/EmptyState'
import { NumberCard } from '../../part/NumberCard'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { EventTable } from '../events/EventTable'
import { useText } from '../../text/text'
import { Bodies } from './Bodies'
import { Parts } from './Parts'

const latest = '/events?service=waf&since=24h&limit=12'

/** The SOC's first page. Until cases are built it shows what was found last, and says so. */
export function SocHome({ load, home, title }: { load: Loaded<Home>; home: Home; title: string }) {
  const { t } = useText()
  const found = useLoad<Found>(latest, 15_000)
  return (
    <Page
      title={title}
      actions={
        <ButtonLink href="/events?since=1h" look="primary" icon="search">
          {t('soc.search')}
        </ButtonLink>
      }
    >
      <Panel from={load} what={title}>
        {() => (
          <div className="flex flex-col gap-7">
            {home.numbers.length > 0 && (
              <div className="card grid grid-cols-[repeat(auto-fit,minmax(220px,1fr))] divide-x divide-hair max-md:divide-x-0 max-md:divide-y">
                {home.numbers.map((n) => (
                  <NumberCard key={n.id} number={n} framed={false} />
                ))}
              </div>
            )}
            <Section title={t('soc.latest')} aside={t('soc.cases_later')}>
              <div className="card overflow-hidden">
                <Panel from={found} what={t('soc.latest')}>
                  {(data) => <EventTable events={data.events} empty={<EmptyState title={t('soc.none')}>{t('soc.none_why')}</EmptyState>} />}
                </Panel>
              </div>
            </Section>
            <div className="flex gap-6 max-xl:flex-col">
              <div className="min-w-0 flex-1">
                <Bodies bodies={home.bodies ?? []} />
              </div>
              <div className="w-[372px] shrink-0 max-xl:w-full">
                <Parts parts={home.parts ?? []} />
              </div>
            </div>
          </div>
        )}
      </Panel>
    </Page>
  )
}
