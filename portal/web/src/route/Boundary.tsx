import { Component, type ReactNode } from 'react'
import { api } from '../api/client'
import { Problem } from '../api/problem'
import { ErrorNote } from '../part/ErrorNote'
import { Page } from '../part/Page'
import { useText } from '../text/text'

/**
 * Keeps the frame when a screen cannot be shown: its code did not come, because the
 * server is away or has become another version, or it broke.
 */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false }

  static getDerivedStateFromError() {
    return { broken: true }
  }

  override render() {
    return this.state.broken ? <Broken /> : this.props.children
  }
}

/** Loads the page anew, but only once the server answers: a browser's own error page would leave no way back. */
function Broken() {
  const { t } = useText()
  const again = () => {
    void api.get('/session').then(
      () => window.location.reload(),
      () => undefined,
    )
  }
  return (
    <Page title={t('state.broken')}>
      <ErrorNote problem={new Problem(0, { code: 'screen' })} onRetry={again} />
    </Page>
  )
}
