import { useEffect, useState } from 'react'
import { address, api } from '../../api/client'
import { Problem } from '../../api/problem'
import type { AuditRecord, Page as PageOf } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { Button } from '../../part/Button'
import { ButtonLink } from '../../part/ButtonLink'
import { DataTable } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { ErrorNote } from '../../part/ErrorNote'
import { FilterBox } from '../../part/FilterBox'
import { Page } from '../../part/Page'
import { Pagination } from '../../part/Pagination'
import { Panel } from '../../part/Panel'
import { SavedViews } from '../../part/SavedViews'
import { Select } from '../../part/Select'
import { useRouter } from '../../route/router'
import { useSession } from '../../session/session'
import { moment } from '../../text/format'
import { useText } from '../../text/text'
import { useBodies } from '../bodies/useBodyNames'
import { AuditCheck } from './AuditCheck'
import { AuditDrawer } from './AuditDrawer'

const page = 100

/** 監査: who did what, newest first, and whether the chain holds. */
export function AuditScreen() {
  const { t, name, language } = useText()
  const { me } = useSession()
  const { query, narrow } = useRouter()
  const bodies = useBodies()
  const tenant = query.get('tenant') ?? me.tenant.id
  const q = query.get('q') ?? ''
  const open = query.get('open') ?? ''
  const path = address('/audit', { tenant, q, limit: page })
  const load = useLoad<PageOf<AuditRecord>>(path)
  const [tail, setTail] = useState<{ rows: AuditRecord[]; next: string | undefined }>({ rows: [], next: undefined })
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  useEffect(() => setTail({ rows: [], next: load.data?.next }), [load.data])
  const more = async () => {
    setBusy(true)
    try {
      const { data } = await api.get<PageOf<AuditRecord>>(`${path}&cursor=${encodeURIComponent(tail.next ?? '')}`)
      setTail((now) => ({ rows: [...now.rows, ...data.items], next: data.next }))
    } catch (cause) {
      setProblem(cause instanceof Problem ? cause : new Problem(0, {}))
    } finally {
      setBusy(false)
    }
  }
  const rows = [...(load.data?.items ?? []), ...tail.rows]
  const shown = rows.find((r) => String(r.seq) === open)
  const close = () => {
    narrow({ open: undefined }, true)
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-open="${CSS.escape(open)}"]`)?.focus())
  }
  return (
    <div className="flex grow">
      <div className="min-w-0 flex-1">
        <Page
          title={t('room.audit')}
          actions={
            <ButtonLink href={address('/audit/export', { tenant, q })} download icon="download">
              {t('audit.export')}
            </ButtonLink>
          }
        >
          <AuditCheck key={tenant} tenant={tenant} name={bodies?.find((b) => b.id === tenant)?.name ?? me.tenant.name} />
          <div className="flex flex-wrap items-center gap-3">
            {bodies && (
              <Select
                aria-label={t('body.one')}
                className="max-w-[260px]"
                value={tenant}
                onChange={(v) => narrow({ tenant: v, open: undefined })}
                options={bodies.map((b) => ({ value: b.id, label: b.name }))}
              />
            )}
            <FilterBox label={t('audit.filter')} value={q} onChange={(next) => narrow({ q: next, open: undefined }, true)} />
            <SavedViews list="audit" />
          </div>
          <div className="card overflow-hidden">
            <Panel from={load} what={t('room.audit')} rows={8}>
              {() => (
                <>
                  <DataTable
                    dense
                    caption={t('room.audit')}
                    rows={rows}
                    rowKey={(r) => String(r.seq)}
                    href={(r) => `/audit?${new URLSearchParams({ tenant, open: String(r.seq) }).toString()}`}
                    onOpen={(r) => narrow({ open: String(r.seq) }, true)}
                    selected={open || undefined}
                    sort={{ key: 'time', down: true }}
                    columns={[
                      {
                        key: 'time',
                        label: t('event.time'),
                        className: 'whitespace-nowrap',
                        cell: (r) => moment(r.time, language, 'second'),
                      },
                      { key: 'actor', label: t('audit.actor'), className: 'wrap-anywhere', cell: (r) => r.actor },
                      { key: 'action', label: t('audit.action'), cell: (r) => name('audit.act.', r.action) },
                      {
                        key: 'object',
                        label: t('audit.object'),
                        className: 'wrap-anywhere',
                        cell: (r) => (r.object ? name('audit.act.', r.object) : '—'),
                      },
                      { key: 'reason', label: t('audit.reason'), className: 'wrap-anywhere', cell: (r) => r.reason || '—' },
                    ]}
                    empty={
                      <EmptyState
                        title={t('audit.none')}
                        action={q && <Button onClick={() => narrow({ q: undefined })}>{t('filter.clear')}</Button>}
                      >
                        {t('audit.none_why')}
                      </EmptyState>
                    }
                  />
                  {problem && <ErrorNote problem={problem} />}
                  {rows.length > 0 && <Pagination shown={rows.length} more={!!tail.next} busy={busy} onMore={() => void more()} />}
                </>
              )}
            </Panel>
          </div>
        </Page>
      </div>
      {shown && <AuditDrawer record={shown} onClose={close} />}
    </div>
  )
}
