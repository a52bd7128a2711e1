import { ButtonLink } from '../../part/ButtonLink'
import { Page } from '../../part/Page'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

/** 設定: what an account can set, each with the way there. */
export function SettingsScreen() {
  const { t } = useText()
  const { me, wide, can } = useSession()
  const own = `/bodies/${me.tenant.id}`
  const places = [
    { key: 'web', href: '/web', seen: can('site.read') },
    { key: 'bodies', href: '/bodies', seen: wide && can('tenant.read') },
    { key: 'body', href: own, seen: !wide && can('tenant.read') },
    { key: 'baseline', href: `${own}/policies/waf?layer=baseline`, seen: can('policy.baseline') },
    { key: 'people', href: own, seen: wide && can('user.read') },
    // Whoever has no room of its own for it finds it here.
    { key: 'audit', href: '/audit', seen: can('audit.read') && !me.rooms.includes('audit') },
    { key: 'account', href: '/account', seen: true },
    { key: 'tokens', href: '/account/tokens', seen: can('token.own') },
  ].filter((p) => p.seen)
  return (
    <Page title={t('room.settings')}>
      <ul className="card max-w-[860px]">
        {places.map((p) => (
          <li key={p.key} className="flex flex-wrap items-center justify-between gap-4 border-hair px-5 py-4 not-last:border-b">
            <div className="min-w-[200px] flex-1">
              <p className="font-700">{t('settings.' + p.key)}</p>
              <p className="text-ink-2">{t(`settings.${p.key}_what`)}</p>
            </div>
            <ButtonLink href={p.href}>{t('action.open')}</ButtonLink>
          </li>
        ))}
      </ul>
    </Page>
  )
}
