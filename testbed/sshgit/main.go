// sshgit is a small SSH server for tests: it authenticates by public key and runs git's two server programs, no more.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

var (
	listen     = flag.String("listen", "127.0.0.1:0", "address to listen on")
	root       = flag.String("root", ".", "folder that holds the repositories")
	hostKey    = flag.String("host-key", "", "private key of the server")
	authorized = flag.String("authorized-keys", "", "file with the public keys that may connect, read at each connection")
)

func main() {
	flag.Parse()
	pem, err := os.ReadFile(*hostKey)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		log.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: authenticate}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(connection, config)
	}
}

func authenticate(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	rest, err := os.ReadFile(*authorized)
	if err != nil {
		return nil, err
	}
	for len(rest) > 0 {
		var known ssh.PublicKey
		if known, _, _, rest, err = ssh.ParseAuthorizedKey(rest); err != nil {
			break
		}
		if bytes.Equal(known.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, errors.New("unknown public key")
}

func serve(tcp net.Conn, config *ssh.ServerConfig) {
	defer tcp.Close()
	_, channels, requests, err := ssh.NewServerConn(tcp, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			offered.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go session(channel, requests)
	}
}

func session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	var environment []string
	for request := range requests {
		switch request.Type {
		case "env":
			if name, value, ok := pair(request.Payload); ok && name == "GIT_PROTOCOL" {
				environment = append(environment, name+"="+value)
			}
			request.Reply(true, nil)
		case "exec":
			request.Reply(true, nil)
			line, _, _ := field(request.Payload)
			status := run(line, environment, channel)
			channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(status)))
			return
		default:
			request.Reply(false, nil)
		}
	}
}

// run executes one of git's server programs on a repository below root and returns its exit status.
func run(line string, environment []string, channel ssh.Channel) int {
	program, argument, _ := strings.Cut(line, " ")
	if program != "git-upload-pack" && program != "git-receive-pack" {
		fmt.Fprintln(channel.Stderr(), "only git is served here")
		return 126
	}
	name := strings.Trim(argument, "'\"")
	repository := filepath.Join(*root, filepath.Clean("/"+name))
	if _, err := os.Stat(filepath.Join(repository, "HEAD")); err != nil {
		fmt.Fprintf(channel.Stderr(), "'%s' does not appear to be a git repository\n", name)
		return 128
	}
	log.Printf("%s %s", program, name)
	command := exec.Command("git", strings.TrimPrefix(program, "git-"), repository)
	command.Env = append(os.Environ(), environment...)
	command.Stdout, command.Stderr = channel, channel.Stderr()
	input, err := command.StdinPipe()
	if err != nil {
		return 1
	}
	if err := command.Start(); err != nil {
		fmt.Fprintln(channel.Stderr(), err)
		return 1
	}
	go func() {
		io.Copy(input, channel)
		input.Close()
	}()
	if err := command.Wait(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 1
	}
	return 0
}

func pair(payload []byte) (name, value string, ok bool) {
	name, rest, ok := field(payload)
	if !ok {
		return "", "", false
	}
	value, _, ok = field(rest)
	return name, value, ok
}

// field reads one length-prefixed string of an SSH payload.
func field(payload []byte) (text string, rest []byte, ok bool) {
	if len(payload) < 4 {
		return "", nil, false
	}
	length := binary.BigEndian.Uint32(payload)
	if uint64(len(payload)) < 4+uint64(length) {
		return "", nil, false
	}
	return string(payload[4 : 4+length]), payload[4+length:], true
}
