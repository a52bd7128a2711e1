import { PageTabs } from '../../part/PageTabs'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

/** The pages of one's own account. */
export function AccountTabs({ now }: { now: 'account' | 'tokens' }) {
  const { t } = useText()
  const { can } = useSession()
  if (!can('token.own')) return null
  const tabs = [
    { key: 'account', href: '/account', label: t('menu.account') },
    { key: 'tokens', href: '/account/tokens', label: t('menu.tokens') },
  ]
  return <PageTabs label={t('account.pages')} tabs={tabs} now={now} />
}
