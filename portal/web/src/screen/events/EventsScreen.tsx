import { useEffect, useState } from 'react'
import { address } from '../../api/client'
import type { EventRow, Facets, Histogram as Counts } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { useKeys } from '../../frame/keys'
import { Button } from '../../part/Button'
import { EmptyState } from '../../part/EmptyState'
import { ErrorNote } from '../../part/ErrorNote'
import { Histogram } from '../../part/Histogram'
import { Pagination } from '../../part/Pagination'
import { Panel } from '../../part/Panel'
import { useRouter } from '../../route/router'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { Chosen } from './Chosen'
import { EventDrawer } from './EventDrawer'
import { EventTable } from './EventTable'
import { ExportMenu } from './ExportMenu'
import { FacetList } from './FacetList'
import { QueryBar } from './QueryBar'
import { narrowingOf, paramsOf, pipeAt } from './query'
import { SavedViews } from '../../part/SavedViews'
import { useEvents } from './useEvents'

/** ログ検索: query, histogram, facets, rows, and the row that is open. The address holds all of it. */
export function EventsScreen() {
  const { t, language } = useText()
  const { wide, can } = useSession()
  const { query, narrow } = useRouter()
  const now = narrowingOf(query)
  const params = paramsOf(now)
  const found = useEvents(params)
  const plain = pipeAt(now.q) === now.q.length
  const counts = useLoad<Counts>(plain ? address('/events/histogram', { ...params, buckets: 60 }) : null)
  const facets = useLoad<Facets>(
    plain
      ? address('/events/facets', { ...params, fields: `${wide ? 'tenant,' : ''}service,event.outcome,rule.category,source.ip,url.path` })
      : null,
  )
  const [facetsOpen, setFacetsOpen] = useState(false)
  const open = query.get('open') ?? undefined
  const shown = found.rows.find((e) => e['event.id'] === open)

  useEffect(() => {
    document.title = `${t('room.logs')} | ${t('product')}`
  }, [t])
  const close = () => {
    narrow({ open: undefined }, true)
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-open="${CSS.escape(open ?? '')}"]`)?.focus())
  }
  useKeys({ Escape: open ? close : undefined })

  const select = (e: EventRow) => narrow({ open: e['event.id'] }, true)
  const total = plain ? counts.data?.total : undefined
  const status = (
    <p role="status" className="flex flex-wrap gap-x-4">
      {total !== undefined && <strong>{t('events.total', { n: total })}</strong>}
      {found.head.data && (
        <span className="text-ink-2">
          {t('events.took', { seconds: (found.head.data.took_ms / 1000).toLocaleString(language, { maximumFractionDigits: 2 }) })}
        </span>
      )}
      {found.head.loading && <span className="text-ink-2">{t('state.updating')}</span>}
    </p>
  )
  const actions = (
    <span className="flex flex-wrap items-center">
      <SavedViews list="events" />
      {can('event.export') && <ExportMenu params={params} />}
    </span>
  )
  return (
    <div className="flex grow flex-col">
      <div className="flex flex-col gap-3 border-b border-hair px-9 pt-5 pb-3 max-md:px-4">
        <h1 tabIndex={-1} className="sr-only">
          {t('room.logs')}
        </h1>
        <QueryBar key={now.q} now={now} onChange={(change) => narrow({ open: undefined, ...change })} busy={found.head.loading} />
        <Chosen now={now} onChange={(change) => narrow({ open: undefined, ...change })} />
        {found.head.error && <ErrorNote problem={found.head.error} what={t('events.failed')} onRetry={found.head.reload} />}
        {counts.data && counts.data.total > 0 ? (
          <Histogram
            counts={counts.data}
            onZoom={(from, to) => narrow({ from, to, since: undefined, open: undefined })}
            before={status}
            after={actions}
          />
        ) : (
          <div className="flex flex-wrap items-center justify-between gap-x-5 gap-y-1">
            {status}
            {actions}
          </div>
        )}
      </div>
      <div className="flex grow max-md:flex-col">
        <div className="px-4 pt-3 md:hidden">
          <Button small icon="sliders" aria-expanded={facetsOpen} onClick={() => setFacetsOpen(!facetsOpen)}>
            {t('events.facets')}
          </Button>
        </div>
        <aside
          aria-label={t('events.facets')}
          className={`w-[228px] shrink-0 border-r border-hair py-4 pr-4 pl-9 max-lg:pl-4 max-md:w-full max-md:border-r-0 ${facetsOpen ? '' : 'max-md:hidden'}`}
        >
          {facets.data ? (
            <FacetList facets={facets.data} only={now.only} onChange={(only) => narrow({ only, open: undefined })} />
          ) : (
            <p className="text-ink-2">{t(plain ? 'events.facets_wait' : 'events.facets_none')}</p>
          )}
        </aside>
        <section aria-label={t('events.rows')} className="min-w-0 grow overflow-x-auto p-2 max-md:p-0">
          {(found.head.data || !found.head.error) && (
            <Panel from={found.head} what={t('events.rows')} rows={8}>
              {() => (
                <>
                  <EventTable
                    events={found.rows}
                    onOpen={select}
                    selected={open}
                    empty={
                      <EmptyState
                        title={t('events.none')}
                        action={
                          <Button onClick={() => narrow({ since: '30d', from: undefined, to: undefined })}>{t('events.widen')}</Button>
                        }
                      >
                        {t('events.none_why')}
                      </EmptyState>
                    }
                  />
                  {found.problem && <ErrorNote problem={found.problem} what={t('events.failed')} onRetry={() => void found.more()} />}
                  {found.rows.length > 0 && (
                    <Pagination
                      shown={found.rows.length}
                      total={total}
                      more={!!found.next}
                      busy={found.busy}
                      onMore={() => void found.more()}
                    />
                  )}
                </>
              )}
            </Panel>
          )}
          {found.rows.length > 0 && (
            <p aria-hidden="true" className="flex flex-wrap items-center gap-2 px-4 text-ink-2 max-md:hidden">
              <span className="key">J</span>
              <span className="key">K</span>
              {t('keys.rows')}
              <span className="key ml-3">Enter</span>
              {t('keys.open')}
              <span className="key ml-3">Esc</span>
              {t('keys.back')}
            </p>
          )}
        </section>
        {open && shown && (
          <EventDrawer
            event={shown}
            onClose={close}
            onNarrow={(field, value) =>
              narrow({ only: [...now.only.filter((o) => o !== `${field}=${value}`), `${field}=${value}`], open: undefined })
            }
          />
        )}
      </div>
    </div>
  )
}
