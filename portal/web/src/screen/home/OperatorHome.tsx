import type { Home } from '../../api/types'
import type { Loaded } from '../../api/useLoad'
import { NumberCard } from '../../part/NumberCard'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { State } from '../../part/State'
import { useText } from '../../text/text'
import { Bodies } from './Bodies'
import { Clocks } from './Clocks'
import { CapacityCard } from './CapacityCard'
import { Parts } from './Parts'

/** 県全体のいま: every body on one page, trouble on top. */
export function OperatorHome({ load, home, title }: { load: Loaded<Home>; home: Home; title: string }) {
  const { t } = useText()
  const bodies = home.bodies ?? []
  const fine = bodies.filter((b) => b.state === 'ok').length
  return (
    <Page
      title={title}
      aside={<State tone={fine === bodies.length ? 'ok' : 'info'}>{t('operator.fine', { all: bodies.length, fine })}</State>}
      actions={<span className="text-ink-2">{t('home.refresh')}</span>}
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
            <div className="flex gap-6 max-xl:flex-col">
              <div className="min-w-0 flex-1">
                <Bodies bodies={bodies} />
              </div>
              <div className="flex w-[372px] shrink-0 flex-col gap-7 max-xl:w-full">
                <Clocks clocks={home.clocks ?? []} bodies={bodies} />
                <CapacityCard capacity={home.capacity ?? []} />
                <Parts parts={home.parts ?? []} />
              </div>
            </div>
          </div>
        )}
      </Panel>
    </Page>
  )
}
