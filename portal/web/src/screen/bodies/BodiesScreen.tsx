import { useState } from 'react'
import { address } from '../../api/client'
import type { Page as PageOf, Tenant } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { ButtonLink } from '../../part/ButtonLink'
import { Button } from '../../part/Button'
import { Crumbs } from '../../part/Crumbs'
import { DataTable, type Sort } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { FilterBox } from '../../part/FilterBox'
import { Page } from '../../part/Page'
import { Pagination } from '../../part/Pagination'
import { Panel } from '../../part/Panel'
import { SavedViews } from '../../part/SavedViews'
import { sorted } from '../../part/sorted'
import { useRouter } from '../../route/router'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

/** 団体: the bodies of this operator. */
export function BodiesScreen() {
  const { t, language } = useText()
  const { can } = useSession()
  const { query, narrow } = useRouter()
  const q = query.get('q') ?? ''
  const load = useLoad<PageOf<Tenant>>(address('/tenants', { q, limit: 500 }))
  const [sort, setSort] = useState<Sort>({ key: 'id', down: false })
  const value = (b: Tenant, key: string) => (key === 'staff' ? (b.staff ?? 0) : key === 'kind' ? b.kind : key === 'name' ? b.name : b.id)
  return (
    <Page
      title={t('bodies.title')}
      above={<Crumbs trail={[{ label: t('room.settings'), href: '/settings' }, { label: t('bodies.title') }]} />}
      actions={
        can('tenant.write') && (
          <ButtonLink href="/bodies/new" look="primary" icon="plus">
            {t('bodies.add')}
          </ButtonLink>
        )
      }
    >
      <div className="flex flex-wrap items-center justify-between gap-3">
        <FilterBox label={t('bodies.filter')} value={q} onChange={(next) => narrow({ q: next }, true)} />
        <SavedViews list="bodies" />
      </div>
      <div className="card overflow-hidden">
        <Panel from={load} what={t('bodies.title')}>
          {(data) => (
            <>
              <DataTable
                caption={t('bodies.title')}
                rows={sorted(data.items, sort, value)}
                rowKey={(b) => b.id}
                href={(b) => `/bodies/${b.id}`}
                sort={sort}
                onSort={setSort}
                columns={[
                  {
                    key: 'name',
                    label: t('tenant.name'),
                    sortable: true,
                    cell: (b) => (language === 'en' && b.name_en ? b.name_en : b.name),
                  },
                  { key: 'id', label: t('tenant.id'), sortable: true, cell: (b) => b.id },
                  { key: 'kind', label: t('tenant.kind'), sortable: true, cell: (b) => t('kind.' + b.kind) },
                  {
                    key: 'staff',
                    label: t('tenant.staff'),
                    right: true,
                    sortable: true,
                    cell: (b) => (b.staff ? b.staff.toLocaleString(language) : '—'),
                  },
                  {
                    key: 'hosts',
                    label: t('tenant.hosts'),
                    cell: (b) => <span className="wrap-anywhere">{(b.hosts ?? []).join(', ') || '—'}</span>,
                  },
                ]}
                empty={
                  <EmptyState
                    title={t('bodies.none')}
                    action={q && <Button onClick={() => narrow({ q: undefined })}>{t('filter.clear')}</Button>}
                  >
                    {t('bodies.none_why')}
                  </EmptyState>
                }
              />
              {data.items.length > 0 && <Pagination shown={data.items.length} more={false} busy={false} onMore={load.reload} />}
            </>
          )}
        </Panel>
      </div>
    </Page>
  )
}
