import { address } from '../../api/client'
import type { Site } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { ButtonLink } from '../../part/ButtonLink'
import { DataTable } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { State } from '../../part/State'
import { Link } from '../../route/Link'
import { useSession } from '../../session/session'
import { moment } from '../../text/format'
import { useText } from '../../text/text'
import { useBodyNames } from '../bodies/useBodyNames'
import { PolicyLinks } from '../bodies/PolicyLinks'
import { Section } from '../../part/Section'
import { siteState } from './siteState'

/** 公開Web: every published site, its last 24 hours, and the way to its settings. */
export function WebScreen() {
  const { t, language } = useText()
  const { me, wide, can } = useSession()
  const names = useBodyNames()
  const load = useLoad<{ items: Site[] }>(address('/sites', { tenant: wide ? '' : me.tenant.id }), 30_000)
  const rows = (s: Site, outcome: string) =>
    `/events?${new URLSearchParams({ tenant: s.tenant, since: '24h', only: `url.domain=${s.host}`, ...(outcome ? { outcome } : {}) }).toString()}`
  return (
    <Page
      title={t('room.web')}
      actions={
        can('policy.baseline') && (
          <ButtonLink href={`/bodies/${me.operator.id}/policies/waf?layer=baseline`} icon="building">
            {t('web.baseline')}
          </ButtonLink>
        )
      }
    >
      <Section title={t('web.sites')} aside={t('web.last_day')}>
        <div className="card overflow-hidden">
          <Panel from={load} what={t('web.sites')}>
            {(data) => (
              <DataTable
                caption={t('web.sites')}
                rows={data.items}
                rowKey={(s) => s.host}
                href={(s) => `/bodies/${s.tenant}/policies/waf`}
                columns={[
                  { key: 'host', label: t('web.host'), cell: (s) => <span className="wrap-anywhere">{s.host}</span> },
                  ...(names ? [{ key: 'tenant', label: t('body.one'), cell: (s: Site) => names.get(s.tenant) ?? s.tenant }] : []),
                  {
                    key: 'mode',
                    label: t('web.mode'),
                    cell: (s) => <State tone={siteState(s.mode).tone}>{t(siteState(s.mode).key)}</State>,
                  },
                  {
                    key: 'requests',
                    label: t('web.requests'),
                    right: true,
                    cell: (s) =>
                      can('event.read') ? (
                        <Link href={rows(s, '')} className="link">
                          {s.requests_24h.toLocaleString(language)}
                        </Link>
                      ) : (
                        s.requests_24h.toLocaleString(language)
                      ),
                  },
                  {
                    key: 'blocked',
                    label: t('web.blocked'),
                    right: true,
                    cell: (s) =>
                      can('event.read') ? (
                        <Link href={rows(s, 'blocked')} className="link">
                          {s.blocked_24h.toLocaleString(language)}
                        </Link>
                      ) : (
                        s.blocked_24h.toLocaleString(language)
                      ),
                  },
                  {
                    key: 'last',
                    label: t('web.last_attack'),
                    cell: (s) => (s.last_attack ? moment(s.last_attack, language) : t('web.no_attack')),
                  },
                ]}
                empty={
                  <EmptyState
                    title={t('web.none')}
                    action={
                      can('policy.write') && <ButtonLink href={`/bodies/${me.tenant.id}/policies/site`}>{t('web.publish')}</ButtonLink>
                    }
                  >
                    {t('web.none_why')}
                  </EmptyState>
                }
              />
            )}
          </Panel>
        </div>
      </Section>
      {!wide && can('policy.read') && (
        <Section title={t('body.policies')}>
          <PolicyLinks tenant={me.tenant.id} baseline={false} />
        </Section>
      )}
    </Page>
  )
}
