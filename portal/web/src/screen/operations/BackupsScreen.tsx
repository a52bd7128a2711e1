import { useEffect, useState } from 'react'
import { api } from '../../api/client'
import type { Backups, Job, Started } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { Button } from '../../part/Button'
import { DataTable } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { ErrorNote } from '../../part/ErrorNote'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { State } from '../../part/State'
import { useSend } from '../../part/useSend'
import { useSession } from '../../session/session'
import { moment, size } from '../../text/format'
import { useText } from '../../text/text'
import { DrillCard } from './DrillCard'
import { JobNote } from './JobNote'
import { OperationsTabs } from './OperationsTabs'

/** Backups: which there are, whether the last could be restored, and one more now. */
export function BackupsScreen() {
  const { t, name, language } = useText()
  const { can } = useSession()
  const load = useLoad<Backups>('/backups', 30_000)
  const [job, setJob] = useState<string>()
  const running = useLoad<Job>(job ? `/jobs/${encodeURIComponent(job)}` : null, 1000)
  const { busy, problem, send } = useSend()
  const state = job ? running.data?.state : undefined
  const { reload } = load
  useEffect(() => {
    if (state === 'done' || state === 'failed') reload()
  }, [state, reload])
  const start = (path: string) => send(async () => setJob((await api.post<Started>(path)).data.job))
  return (
    <Page
      title={t('room.operations')}
      actions={
        can('backup.run') && (
          <>
            <Button look="primary" icon="database" busy={busy} onClick={() => void start('/backups')}>
              {t('backup.run')}
            </Button>
            {load.data && load.data.items.length > 0 && (
              <Button icon="undo" busy={busy} onClick={() => void start('/backups/drill')}>
                {t('backup.drill')}
              </Button>
            )}
          </>
        )
      }
    >
      <OperationsTabs now="backups" />
      {problem && <ErrorNote problem={problem} what={t('backup.start_failed')} />}
      {job && running.data && <JobNote job={running.data} />}
      <Panel from={load} what={t('operations.backups')}>
        {(data) => (
          <div className="flex flex-col gap-8">
            <DrillCard drill={data.last_drill} />
            <Section title={t('backup.list')}>
              <div className="card overflow-hidden">
                <DataTable
                  caption={t('backup.list')}
                  rows={data.items}
                  rowKey={(b) => b.id}
                  columns={[
                    { key: 'time', label: t('backup.time'), cell: (b) => moment(b.time, language) },
                    {
                      key: 'ok',
                      label: t('user.state'),
                      cell: (b) => <State tone={b.ok ? 'ok' : 'urgent'}>{t(b.ok ? 'backup.ok' : 'backup.broken')}</State>,
                    },
                    { key: 'kind', label: t('backup.kind'), cell: (b) => name('backup.kind.', b.kind) },
                    { key: 'size', label: t('backup.size'), right: true, cell: (b) => size(b.size, language) },
                    { key: 'where', label: t('backup.where'), cell: (b) => <span className="wrap-anywhere">{b.destination || '—'}</span> },
                    {
                      key: 'lock',
                      label: t('backup.lock'),
                      cell: (b) => (b.locked_until ? t('policy.until', { day: moment(b.locked_until, language) }) : t('backup.unlocked')),
                    },
                  ]}
                  empty={<EmptyState title={t('backup.none')}>{t('backup.none_why')}</EmptyState>}
                />
              </div>
            </Section>
          </div>
        )}
      </Panel>
    </Page>
  )
}
