import { ButtonLink } from '../../part/ButtonLink'
import { EmptyState } from '../../part/EmptyState'
import { Page } from '../../part/Page'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

/** A room that is not built yet: what will be here, and whom to ask until then. */
export function NotBuilt({ room }: { room: string }) {
  const { t } = useText()
  const { me } = useSession()
  const contact = me.operator.contact
  return (
    <Page title={t('room.' + room)}>
      <div className="card">
        <EmptyState title={t('unbuilt.title')} action={<ButtonLink href="/">{t('unbuilt.home')}</ButtonLink>}>
          <p>{t('unbuilt.' + room)}</p>
          <p>{t('unbuilt.until', { who: [me.operator.name, contact.section, contact.phone].filter(Boolean).join(' ') })}</p>
        </EmptyState>
      </div>
    </Page>
  )
}
