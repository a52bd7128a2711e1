import type { BodyState } from '../../api/types'
import { Badge, type Severity } from '../../part/Badge'
import { DataTable } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { Section } from '../../part/Section'
import { Sign } from '../../part/Sign'
import { Link } from '../../route/Link'
import { useText } from '../../text/text'

const severities: Record<string, Severity> = { act: 'urgent', watch: 'serious', unknown: 'notice' }
const worst = ['act', 'watch', 'unknown']

/** Bodies that need somebody on top, worst first; the rest in the fixed order of their codes. */
export function Bodies({ bodies }: { bodies: BodyState[] }) {
  const { t, code, language } = useText()
  const open = bodies.filter((b) => b.state !== 'ok').sort((a, b) => worst.indexOf(a.state) - worst.indexOf(b.state))
  const fine = bodies.filter((b) => b.state === 'ok').sort((a, b) => a.tenant.localeCompare(b.tenant))
  return (
    <div className="flex flex-col gap-7">
      <Section title={t('bodies.open')} aside={open.length}>
        <div className="card overflow-hidden">
          <DataTable
            caption={t('bodies.open')}
            rows={open}
            rowKey={(b) => b.tenant}
            href={(b) => `/bodies/${b.tenant}`}
            columns={[
              { key: 'name', label: t('body.one'), cell: (b) => <span className="font-700 md:whitespace-nowrap">{b.name}</span> },
              {
                key: 'reason',
                label: t('bodies.now'),
                cell: (b) => (
                  <span className="flex items-start gap-x-3 gap-y-1 max-md:flex-wrap">
                    <Badge severity={severities[b.state] ?? 'info'} />
                    <span className="phrase">{code('home.reason.', b.reason_code, b.args, 'bodies.reason_other')}</span>
                  </span>
                ),
              },
              { key: 'blocked', label: t('bodies.blocked'), right: true, cell: (b) => b.numbers.blocked.toLocaleString(language) },
            ]}
            empty={<EmptyState title={t('bodies.open_none')}>{t('bodies.open_none_why')}</EmptyState>}
          />
        </div>
      </Section>
      <Section title={t('bodies.fine')} aside={fine.length} actions={<span className="text-ink-2">{t('bodies.order')}</span>}>
        <div className="card">
          {fine.length === 0 ? (
            <EmptyState title={t('bodies.fine_none')} />
          ) : (
            <ul className="grid grid-cols-[repeat(auto-fill,minmax(220px,1fr))]">
              {fine.map((b) => (
                <li key={b.tenant}>
                  <Link
                    href={`/bodies/${b.tenant}`}
                    className="flex min-h-11 flex-wrap items-center justify-between gap-x-3 px-4 hover:bg-side max-md:min-h-12"
                  >
                    <span className="flex items-center gap-2">
                      <Sign tone="ok" />
                      {b.name}
                      <span className="sr-only">{t('severity.ok')}</span>
                    </span>
                    {b.numbers.blocked > 0 && (
                      <span className="text-14 text-ink-2">{t('bodies.stopped_short', { n: b.numbers.blocked })}</span>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
          )}
        </div>
      </Section>
    </div>
  )
}
