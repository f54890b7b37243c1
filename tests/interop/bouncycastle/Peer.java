import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.mail.Session;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.ZlibCompressor;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.mail.smime.SMIMECompressedGenerator;
import org.bouncycastle.mail.smime.SMIMEEnveloped;
import org.bouncycastle.mail.smime.SMIMEEnvelopedGenerator;
import org.bouncycastle.mail.smime.SMIMESigned;
import org.bouncycastle.mail.smime.SMIMESignedGenerator;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/**
 * Bouncy Castle's S/MIME, asked by lines on standard input and answering each with one on standard output.
 *
 * <p>A line is a verb and its arguments, separated by tabs; the answer is {@code ok} with a detail, or
 * {@code fail} with the reason. Certificates and keys are {@code NAME.pem} and {@code NAME.key} in the
 * folder that is the program's argument.
 */
public final class Peer {
    private final Path folder;

    private Peer(Path folder) {
        this.folder = folder;
    }

    public static void main(String[] arguments) throws IOException {
        Security.addProvider(new BouncyCastleProvider());
        Peer peer = new Peer(Path.of(arguments[0]));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer;
            try {
                answer = "ok\t" + peer.answer(line.split("\t"));
            } catch (Throwable failure) {
                answer = "fail\t" + chain(failure);
            }
            System.out.println(answer.replace('\n', ' '));
            System.out.flush();
        }
    }

    private static String chain(Throwable failure) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            text.append(text.length() == 0 ? "" : ": ").append(cause);
        }
        return text.toString();
    }

    private String answer(String[] words) throws Exception {
        List<String> rest = List.of(words).subList(Math.min(4, words.length), words.length);
        switch (words[0]) {
            case "sign":
                return sign(words[1], words[2], words[3], rest.get(0), rest.get(1));
            case "verify":
                return verify(words[1], words[2]);
            case "encrypt":
                return encrypt(words[1], words[2], words[3], rest);
            case "decrypt":
                return decrypt(words[1], words[2], words[3]);
            case "compress":
                return compress(words[1], words[2]);
            default:
                throw new IllegalArgumentException("no verb " + words[0]);
        }
    }

    /** Signs an entity with one signer or several, and writes a message. */
    private String sign(String names, String algorithms, String form, String in, String out) throws Exception {
        SMIMESignedGenerator generator = new SMIMESignedGenerator();
        List<X509Certificate> certificates = new ArrayList<>();
        String[] algorithm = algorithms.split(",");
        String[] name = names.split(",");
        for (int i = 0; i < name.length; i++) {
            generator.addSignerInfoGenerator(new JcaSimpleSignerInfoGeneratorBuilder()
                .setProvider("BC").build(algorithm[i], key(name[i]), certificate(name[i])));
            certificates.add(certificate(name[i]));
        }
        certificates.add(certificate("intermediate"));
        generator.addCertificates(new JcaCertStore(certificates));
        String from = name[0];
        if (form.equals("opaque")) {
            write(out, from, generator.generateEncapsulated(entity(in)));
        } else {
            MimeMultipart multipart = generator.generate(entity(in));
            try (OutputStream stream = start(out, from)) {
                stream.write(("Content-Type: " + multipart.getContentType() + "\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII));
                multipart.writeTo(stream);
            }
        }
        return "";
    }

    /** Verifies every signer with its certificate in the message, and writes what was signed. */
    private String verify(String in, String out) throws Exception {
        MimeMessage message = message(in);
        SMIMESigned signed = message.isMimeType("multipart/signed")
            ? new SMIMESigned((MimeMultipart) message.getContent()) : new SMIMESigned(message);
        List<String> algorithms = new ArrayList<>();
        for (SignerInformation signer : signed.getSignerInfos().getSigners()) {
            @SuppressWarnings("unchecked")
            X509CertificateHolder holder =
                (X509CertificateHolder) signed.getCertificates().getMatches(signer.getSID()).iterator().next();
            if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(holder))) {
                throw new IllegalStateException("the signature of " + holder.getSubject() + " is wrong");
            }
            algorithms.add(signer.getDigestAlgOID() + "/" + signer.getEncryptionAlgOID());
        }
        try (OutputStream stream = new FileOutputStream(out)) {
            signed.getContent().writeTo(stream);
        }
        return String.join(",", algorithms);
    }

    /** Encrypts an entity to recipients such as {@code bob/rsa} or {@code carol/ecdh/SHA256/AES256}. */
    private String encrypt(String cipher, String in, String out, List<String> recipients) throws Exception {
        OutputEncryptor encryptor =
            new JceCMSContentEncryptorBuilder(content(cipher)).setProvider("BC").build();
        if (encryptor instanceof OutputAEADEncryptor) {
            // There is no S/MIME class for authEnvelopedData: the MIME around it is ours.
            CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
            for (String recipient : recipients) {
                generator.addRecipientInfoGenerator(recipient(recipient));
            }
            byte[] octets = Files.readAllBytes(Path.of(in));
            byte[] der = generator
                .generate(new CMSProcessableByteArray(octets), (OutputAEADEncryptor) encryptor).getEncoded();
            try (OutputStream stream = start(out, "alice")) {
                stream.write(("Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data;"
                    + " name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                    + Base64.getMimeEncoder().encodeToString(der) + "\r\n").getBytes(StandardCharsets.US_ASCII));
            }
        } else {
            SMIMEEnvelopedGenerator generator = new SMIMEEnvelopedGenerator();
            for (String recipient : recipients) {
                generator.addRecipientInfoGenerator(recipient(recipient));
            }
            write(out, "alice", generator.generate(entity(in), encryptor));
        }
        return "";
    }

    /** Decrypts with the key of the recipientInfo that names its certificate, and writes the content. */
    @SuppressWarnings("unchecked")
    private String decrypt(String name, String in, String out) throws Exception {
        MimeMessage message = message(in);
        RecipientInformationStore store = message.getContentType().toLowerCase().contains("authenveloped")
            ? new CMSAuthEnvelopedData(message.getInputStream()).getRecipientInfos()
            : new SMIMEEnveloped(message).getRecipientInfos();
        X509CertificateHolder holder = new X509CertificateHolder(certificate(name).getEncoded());
        PrivateKey key = key(name);
        Recipient recipient = key.getAlgorithm().equals("RSA")
            ? new JceKeyTransEnvelopedRecipient(key).setProvider("BC")
            : new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
        for (RecipientInformation information : store.getRecipients()) {
            if (information.getRID().match(holder)) {
                Files.write(Path.of(out), information.getContent(recipient));
                return information.getKeyEncryptionAlgOID();
            }
        }
        throw new IllegalStateException("no recipientInfo names " + name);
    }

    private String compress(String in, String out) throws Exception {
        write(out, "alice", new SMIMECompressedGenerator().generate(entity(in), new ZlibCompressor()));
        return "";
    }

    private RecipientInfoGenerator recipient(String text) throws Exception {
        String[] words = text.split("/");
        X509Certificate certificate = certificate(words[0]);
        switch (words[1]) {
            case "rsa":
                return new JceKeyTransRecipientInfoGenerator(certificate).setProvider("BC");
            case "oaep":
                OAEPParameterSpec parameters = new OAEPParameterSpec(
                    words[2], "MGF1", new MGF1ParameterSpec(words[3]), PSource.PSpecified.DEFAULT);
                return new JceKeyTransRecipientInfoGenerator(certificate, new JcaAlgorithmParametersConverter()
                    .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, parameters)).setProvider("BC");
            case "ecdh":
            case "eccdh":
                KeyPair ephemeral = ephemeral(certificate.getPublicKey());
                return new JceKeyAgreeRecipientInfoGenerator(
                    agreement(words[1], words[2]), ephemeral.getPrivate(), ephemeral.getPublic(), wrap(words[3]))
                    .addRecipient(certificate).setProvider("BC");
            default:
                throw new IllegalArgumentException("no key management " + words[1]);
        }
    }

    private static KeyPair ephemeral(PublicKey peer) throws Exception {
        if (peer instanceof ECPublicKey) {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "BC");
            generator.initialize(((ECPublicKey) peer).getParams());
            return generator.generateKeyPair();
        }
        throw new IllegalArgumentException("no key agreement with " + peer.getAlgorithm());
    }

    private static ASN1ObjectIdentifier agreement(String scheme, String digest) throws Exception {
        String field = scheme.toUpperCase() + "_" + digest + "KDF";
        return (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(field).get(null);
    }

    private static ASN1ObjectIdentifier wrap(String cipher) throws Exception {
        return (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(cipher + "_WRAP").get(null);
    }

    private static ASN1ObjectIdentifier content(String name) throws Exception {
        return (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(name).get(null);
    }

    private X509Certificate certificate(String name) throws Exception {
        try (InputStream stream = new FileInputStream(folder.resolve(name + ".pem").toFile())) {
            return (X509Certificate) CertificateFactory.getInstance("X.509", "BC").generateCertificate(stream);
        }
    }

    private PrivateKey key(String name) throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader(folder.resolve(name + ".key").toFile()))) {
            return new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) parser.readObject());
        }
    }

    private static MimeBodyPart entity(String file) throws Exception {
        return new MimeBodyPart(new ByteArrayInputStream(Files.readAllBytes(Path.of(file))));
    }

    private static MimeMessage message(String file) throws Exception {
        try (InputStream stream = new FileInputStream(file)) {
            return new MimeMessage(Session.getInstance(new Properties()), stream);
        }
    }

    private static OutputStream start(String file, String from) throws Exception {
        String domain = from.equals("alice") || from.equals("dave") ? "a.example" : "b.example";
        OutputStream stream = new FileOutputStream(file);
        stream.write(("From: " + from + "@" + domain + "\r\nTo: bob@b.example\r\nSubject: interop\r\n"
            + "MIME-Version: 1.0\r\n").getBytes(StandardCharsets.US_ASCII));
        return stream;
    }

    private static void write(String file, String from, MimeBodyPart part) throws Exception {
        ByteArrayOutputStream octets = new ByteArrayOutputStream();
        part.writeTo(octets);
        try (OutputStream stream = start(file, from)) {
            octets.writeTo(stream);
        }
    }
}
