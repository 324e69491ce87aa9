import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.EnumSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Options.CreateOpts;
import org.apache.hadoop.fs.Options.Rename;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.io.IOUtils;
import org.apache.hadoop.ipc.RemoteException;

/**
 * Works on a lake in HDFS for hdfs_store.py: a line of standard input is a command, a line of standard output its answer.
 *
 * <p>Only Java can replace a file in one step: `hadoop fs -mv` and `-put -f` delete it first. And only a client that
 * lives can hold a lake, by the lease of an open file, which ends with it. Nothing is left to do at the end of input.
 *
 * <p>`make lake-class` compiles it, for Java 8 and later.
 */
public final class HdfsLake {
    private static final int BUFFER = 1 << 20;

    private final FileContext files;
    private final Path root;
    private FSDataOutputStream held;

    private HdfsLake(FileContext files, Path root) {
        this.files = files;
        this.root = root;
    }

    /** Answers commands until there are no more. Arguments: the lake's URI, then properties, as key=value. */
    public static void main(String[] arguments) throws IOException {
        Configuration configuration = new Configuration();
        for (int i = 1; i < arguments.length; i++) {
            String[] property = arguments[i].split("=", 2);
            configuration.set(property[0], property[1]);
        }
        Path named = new Path(arguments[0]);
        Path root = named.getFileSystem(configuration).makeQualified(named);
        HdfsLake lake = new HdfsLake(FileContext.getFileContext(root.toUri(), configuration), root);
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok\t" + lake.answer(line.split("\t", -1));
            } catch (IOException | RuntimeException error) {
                answer = "error\t" + error.toString().split("\n")[0].replace('\t', ' ');
            }
            out.println(answer);
        }
        if (lake.held != null) {
            lake.held.close();
        }
    }

    private String answer(String[] words) throws IOException {
        switch (words[0]) {
            case "hold":
                return hold(at(words[1])) ? "held" : "busy";
            case "list":
                return list(at(words[1]));
            case "read":
                return read(at(words[1]));
            case "get":
                return get(at(words[1]), new File(words[2])) ? "got" : "";
            case "put":
                return put(new File(words[2]), at(words[1]));
            case "make":
                files.mkdir(at(words[1]), FsPermission.getDirDefault(), false);
                return "";
            case "move":
                files.rename(at(words[1]), at(words[2]), Rename.OVERWRITE);
                return "";
            case "publish":
                return publish(at(words[1]), at(words[2]));
            case "delete":
                return files.delete(at(words[1]), true) ? "deleted" : "";
            case "share":
                files.setOwner(root, null, words[1]);
                files.setPermission(root, new FsPermission((short) 0750));
                return "";
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private Path at(String name) {
        return name.isEmpty() ? root : new Path(root, new Path(null, null, name));
    }

    /** Opens a file until the end, which no other client can then open for writing; makes the lake if need be. */
    private boolean hold(Path lock) throws IOException {
        files.mkdir(root, FsPermission.getDirDefault(), true);
        boolean exists = files.util().exists(lock);
        try {
            held = files.create(lock, EnumSet.of(exists ? CreateFlag.APPEND : CreateFlag.CREATE));
            return true;
        } catch (FileAlreadyExistsException error) {
            return false;
        } catch (RemoteException error) {
            String kind = error.getClassName();
            if (kind.endsWith(".AlreadyBeingCreatedException") || kind.endsWith(".RecoveryInProgressException")) {
                return false;
            }
            throw error;
        }
    }

    /** Returns the names in a folder, each after a tab; none where there is no folder. */
    private String list(Path folder) throws IOException {
        StringBuilder names = new StringBuilder();
        try {
            for (FileStatus status : files.util().listStatus(folder)) {
                names.append('\t').append(status.getPath().getName());
            }
        } catch (FileNotFoundException error) {
            return "";
        }
        return names.toString();
    }

    /** Returns a small file, in Base64; empty where there is none. */
    private String read(Path file) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        return copy(file, content) ? Base64.getEncoder().encodeToString(content.toByteArray()) : "";
    }

    private boolean get(Path file, File local) throws IOException {
        try (OutputStream out = new FileOutputStream(local)) {
            return copy(file, out);
        }
    }

    private boolean copy(Path file, OutputStream out) throws IOException {
        try (InputStream in = files.open(file)) {
            IOUtils.copyBytes(in, out, BUFFER, false);
            return true;
        } catch (FileNotFoundException error) {
            return false;
        }
    }

    /** Writes a new file, to the disks of its datanodes. Its folder must be there: another run removes this run's. */
    private String put(File local, Path file) throws IOException {
        EnumSet<CreateFlag> how = EnumSet.of(CreateFlag.CREATE, CreateFlag.SYNC_BLOCK);
        try (InputStream in = new FileInputStream(local);
                OutputStream out = files.create(file, how, CreateOpts.donotCreateParent())) {
            IOUtils.copyBytes(in, out, BUFFER, false);
        }
        return "";
    }

    /** Moves a file over another in one step. The target's folder is made if need be, unless there is nothing to move. */
    private String publish(Path source, Path target) throws IOException {
        files.getFileStatus(source);
        files.mkdir(target.getParent(), FsPermission.getDirDefault(), false);
        files.rename(source, target, Rename.OVERWRITE);
        return "";
    }
}
