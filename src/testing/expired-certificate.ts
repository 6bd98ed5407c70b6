// A certificate for localhost that signs itself and has expired, and its key: for servers that tests start.

export const expiredKey = `-----BEGIN PRIVATE KEY-----
MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCBNw+aqa0SVeNI9IpQM
NOY4LMoc7T5FmDVYmwHLW9YnOw==
-----END PRIVATE KEY-----
`

/** Valid through 2020 for `localhost` and 127.0.0.1. */
export const expiredCertificate = `-----BEGIN CERTIFICATE-----
MIIBXDCCAQKgAwIBAgIJAIsxTqBt+ECiMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMT
CWxvY2FsaG9zdDAeFw0yMDAxMDEwMDAwMDBaFw0yMDEyMzEwMDAwMDBaMBQxEjAQ
BgNVBAMTCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDboP45R
fEYSY2wOmdjR+BXeAEazWuvW3uEm8qgEshiI65X/p0aVc24k91COFNfjc7I/LaBD
8VQAc6rEfwhg/4ajPTA7MB0GA1UdDgQWBBRtih+emaJJ4hK6HScSTd76ntyczDAa
BgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZIzj0EAwIDSAAwRQIhAL+R
5thRfkfRvX3JXt9nNMSM8borpnwbV6noc0curO5KAiBe0AcxmEdDIzNC8Xu23BFn
qDDdwno7Mzc/d/5PnB7uTQ==
-----END CERTIFICATE-----
`
