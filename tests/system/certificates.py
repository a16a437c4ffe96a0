# SPDX-License-Identifier: BSD-2-Clause
"""Certificates of an authority of the test's own, by openssl."""
import pathlib
import ssl
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Authority:
    def __init__(self, dir, name):
        self.dir, self.name = pathlib.Path(dir), name
        self.key, self.cert = self.dir / f"{name}.key", self.dir / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert, "-days", "30")

    def sign(self, name, days="30", usage="clientAuth", address=None):
        key, cert, request, extra = (self.dir / f"{name}.{end}" for end in ("key", "pem", "csr", "ext"))
        extra.write_text(f"extendedKeyUsage={usage}\n" +
                         (f"subjectAltName=IP:{address}\n" if address else ""))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                "-out", cert, "-extfile", extra, "-days", days)
        return cert, key

    def context(self, pair=None):
        context = ssl.create_default_context(cafile=str(self.cert))
        if pair:
            context.load_cert_chain(*map(str, pair))
        return context
