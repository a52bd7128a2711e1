import { PageTabs } from '../../part/PageTabs'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

/** The pages of the operations room that an account may see. */
export function OperationsTabs({ now }: { now: 'status' | 'backups' }) {
  const { t } = useText()
  const { can } = useSession()
  const tabs = [
    { key: 'status', href: '/operations', label: t('operations.status'), seen: can('status.read') },
    { key: 'backups', href: '/operations/backups', label: t('operations.backups'), seen: can('backup.read') },
  ]
  return <PageTabs label={t('operations.pages')} tabs={tabs.filter((x) => x.seen)} now={now} />
}
