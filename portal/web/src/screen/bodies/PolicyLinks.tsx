import { ButtonLink } from '../../part/ButtonLink'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

const services = ['waf', 'site']

/** The policies of a body; for an operator also what it sets for all of its bodies. */
export function PolicyLinks({ tenant, baseline }: { tenant: string; baseline: boolean }) {
  const { t } = useText()
  const { can } = useSession()
  const rows = [
    ...services.map((s) => ({ key: s, href: `/bodies/${tenant}/policies/${s}`, title: t(`policy.${s}`), what: t(`policy.${s}.what`) })),
    ...(baseline && can('policy.read')
      ? services.map((s) => ({
          key: s + 'b',
          href: `/bodies/${tenant}/policies/${s}?layer=baseline`,
          title: t('policy.baseline_for', { service: t(`policy.${s}`) }),
          what: t('policy.baseline_what'),
        }))
      : []),
  ]
  return (
    <ul className="card">
      {rows.map((r) => (
        <li key={r.key} className="flex flex-wrap items-center justify-between gap-4 border-hair px-5 py-4 not-last:border-b">
          <div className="min-w-[200px] flex-1">
            <p className="phrase font-700">{r.title}</p>
            <p className="text-ink-2">{r.what}</p>
          </div>
          <ButtonLink href={r.href}>{t('action.see')}</ButtonLink>
        </li>
      ))}
    </ul>
  )
}
