import { useState } from 'react'
import type { Page, User } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { ButtonLink } from '../../part/ButtonLink'
import { DataTable, type Sort } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { sorted } from '../../part/sorted'
import { State } from '../../part/State'
import { useSession } from '../../session/session'
import { moment } from '../../text/format'
import { useText } from '../../text/text'

/** The accounts of one body. */
export function UserTable({ tenant }: { tenant: string }) {
  const { t, language } = useText()
  const { can } = useSession()
  const load = useLoad<Page<User>>(`/tenants/${encodeURIComponent(tenant)}/users?limit=500`)
  const [sort, setSort] = useState<Sort>({ key: 'name', down: false })
  const value = (u: User, key: string) =>
    key === 'role' ? u.role : key === 'login' ? u.login : key === 'last' ? (u.last_login_at ?? '') : u.name
  const state = (u: User) => {
    if (u.disabled) return <State tone="none">{t('user.disabled')}</State>
    if (u.expires_at && Date.parse(u.expires_at) < Date.now()) return <State tone="none">{t('user.expired')}</State>
    if (u.must_change_password) return <State tone="info">{t('user.not_yet')}</State>
    if (!u.totp) return <State tone="notice">{t('user.no_totp')}</State>
    return <State tone="ok">{t('user.fine')}</State>
  }
  return (
    <Section
      title={t('users.title')}
      aside={load.data && t('users.count', { n: load.data.items.length })}
      actions={
        can('user.write') && (
          <ButtonLink href={`/bodies/${tenant}/users/new`} icon="plus">
            {t('users.add')}
          </ButtonLink>
        )
      }
    >
      <div className="card overflow-hidden">
        <Panel from={load} what={t('users.title')}>
          {(data) => (
            <DataTable
              caption={t('users.title')}
              rows={sorted(data.items, sort, value)}
              rowKey={(u) => u.login}
              href={(u) => `/bodies/${tenant}/users/${encodeURIComponent(u.login)}`}
              sort={sort}
              onSort={setSort}
              columns={[
                { key: 'name', label: t('user.name'), sortable: true, cell: (u) => [u.section, u.name].filter(Boolean).join(' ') },
                { key: 'login', label: t('user.login'), sortable: true, cell: (u) => <span className="wrap-anywhere">{u.login}</span> },
                { key: 'role', label: t('user.role'), sortable: true, cell: (u) => t('role.' + u.role) },
                { key: 'state', label: t('user.state'), cell: state },
                {
                  key: 'last',
                  label: t('user.last'),
                  sortable: true,
                  cell: (u) => (u.last_login_at ? moment(u.last_login_at, language) : t('user.never')),
                },
              ]}
              empty={<EmptyState title={t('users.none')}>{t('users.none_why')}</EmptyState>}
            />
          )}
        </Panel>
      </div>
    </Section>
  )
}
