import { PasswordForm } from './PasswordForm'
import { useText } from '../text/text'
import { Outside } from './Outside'

/** The random first password lets one do nothing but choose one's own. */
export function FirstPassword({ login, onDone }: { login: string; onDone: () => void }) {
  const { t } = useText()
  return (
    <Outside title={t('first.title')}>
      <p>{t('first.why')}</p>
      <PasswordForm login={login} oldLabel={t('first.old')} onDone={onDone} />
    </Outside>
  )
}
