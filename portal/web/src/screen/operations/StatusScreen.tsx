import type { Status } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { DataTable } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { State } from '../../part/State'
import { moment } from '../../text/format'
import { useText } from '../../text/text'
import { OperationsTabs } from './OperationsTabs'
import { partTone } from './partTone'

/** The product's own parts: what runs, since when, and what this machine cannot do. */
export function StatusScreen() {
  const { t, name, language } = useText()
  const load = useLoad<Status>('/status', 10_000)
  return (
    <Page title={t('room.operations')}>
      <OperationsTabs now="status" />
      <Panel from={load} what={t('operations.status')}>
        {(s) => {
          const absent = Object.entries(s.absent ?? {})
          return (
            <div className="flex flex-col gap-8">
              <Section title={t('parts.title')} aside={s.version && t('operations.version', { version: s.version })}>
                <div className="card overflow-hidden">
                  <DataTable
                    caption={t('parts.title')}
                    rows={s.parts}
                    rowKey={(p) => p.group}
                    columns={[
                      {
                        key: 'group',
                        label: t('parts.one'),
                        cell: (p) => <span className="font-700">{name('parts.name.', p.group)}</span>,
                      },
                      {
                        key: 'state',
                        label: t('user.state'),
                        cell: (p) => (
                          <>
                            <State tone={partTone[p.state]}>{t('parts.state.' + p.state)}</State>
                            {p.reason && <p className="text-ink-2 wrap-anywhere">{p.reason}</p>}
                          </>
                        ),
                      },
                      { key: 'since', label: t('parts.since'), cell: (p) => (p.since ? moment(p.since, language) : '—') },
                      { key: 'restarts', label: t('parts.restarts'), right: true, cell: (p) => p.restarts.toLocaleString(language) },
                    ]}
                    empty={<EmptyState title={t('parts.none')} />}
                  />
                </div>
              </Section>
              <Section title={t('operations.absent')}>
                <div className="card px-5">
                  {absent.length === 0 && <p className="py-4">{t('operations.absent_none')}</p>}
                  <dl>
                    {absent.map(([what, why]) => (
                      <div key={what} className="flex flex-wrap gap-x-6 border-hair py-3 not-last:border-b">
                        <dt className="w-[12em] font-700">{name('absent.', what)}</dt>
                        <dd className="text-ink-2">{why}</dd>
                      </div>
                    ))}
                  </dl>
                </div>
              </Section>
            </div>
          )
        }}
      </Panel>
    </Page>
  )
}
