import { useEffect, useState } from 'react'
import type { Home } from '../../api/types'
import type { Loaded } from '../../api/useLoad'
import { NumberCard } from '../../part/NumberCard'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { clockTime } from '../../text/format'
import { useText } from '../../text/text'
import { useSession } from '../../session/session'
import { ContactCard } from './ContactCard'
import { RecentStops } from './RecentStops'
import { Safety } from './Safety'
import { TodoList } from './TodoList'

/** A body's first page: are we safe, what do I do next, how is today against the usual. */
export function TenantHome({ load, home, title }: { load: Loaded<Home>; home: Home; title: string }) {
  const { t } = useText()
  const { me, can } = useSession()
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000)
    return () => clearInterval(timer)
  }, [])
  const contact = home.contact ?? me.operator.contact
  return (
    <Page title={title} quiet>
      <Panel from={load} what={title}>
        {() => (
          <div className="flex flex-col gap-7">
            <Safety home={home} now={now} />
            <div className="grid grid-cols-12 items-start gap-6 max-lg:grid-cols-1">
              <div className="col-span-7 max-lg:col-span-1">
                <TodoList todo={home.todo ?? []} />
              </div>
              <div className="col-span-5 max-lg:col-span-1">
                {can('event.read') ? <RecentStops /> : <ContactCard contact={contact} name={me.operator.name} />}
              </div>
            </div>
            {can('event.read') && home.numbers.length > 0 && (
              <Section
                title={t('numbers.title')}
                aside={
                  <span className="phrase">
                    {t('numbers.until', { time: clockTime(now) })}
                    <span aria-hidden="true" className="mx-1.5 inline-block h-1.5 w-6 rounded-full bg-solid-gray-300 align-middle" />
                    {t('numbers.band')}
                  </span>
                }
              >
                <div className="grid grid-cols-[repeat(auto-fill,minmax(250px,1fr))] gap-6">
                  {home.numbers.map((n) => (
                    <NumberCard key={n.id} number={n} />
                  ))}
                </div>
              </Section>
            )}
          </div>
        )}
      </Panel>
    </Page>
  )
}
