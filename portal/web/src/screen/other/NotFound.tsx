import { ButtonLink } from '../../part/ButtonLink'
import { EmptyState } from '../../part/EmptyState'
import { Page } from '../../part/Page'
import { useText } from '../../text/text'

export function NotFound() {
  const { t } = useText()
  return (
    <Page title={t('lost.title')}>
      <EmptyState title={t('lost.what')} action={<ButtonLink href="/">{t('unbuilt.home')}</ButtonLink>}>
        {t('lost.why')}
      </EmptyState>
    </Page>
  )
}
