;;; lanebridge-connection.el --- The server, and messages to and from it  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; One server for all local folders, and one on each remote host that
;; files are visited on by TRAMP, started there.  Which one is meant is
;; said by `default-directory', so that commands and callbacks simply
;; call `lanebridge-request'.
;;
;; jsonrpc.el answers a request when its handler returns.  Ours are
;; answered whenever REPLY is called: the handler's result is a mark,
;; and the mark is not sent (`jsonrpc-connection-send' below).  From it
;; the id is known, which handlers are not told.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'lanebridge)
(require 'lanebridge-message)

;;; Folders

(defun lanebridge-command-line-directory ()
  "The directory Emacs was started in, if the current one is below it."
  (let ((start (file-name-as-directory (expand-file-name command-line-default-directory))))
    (and (not (file-remote-p default-directory))
         (not (member start (list "/" (file-name-as-directory (expand-file-name "~")))))
         (string-prefix-p start (expand-file-name default-directory))
         start)))

(declare-function project-root "project")

(defun lanebridge-default-root ()
  "The root of the project, or what `lanebridge-command-line-directory' says."
  (require 'project)
  (let ((project (project-current nil)))
    (if project
        (expand-file-name (project-root project))
      (lanebridge-command-line-directory))))

(defun lanebridge-root ()
  "The folder that the current buffer belongs to, or nil."
  (let ((root (funcall lanebridge-root-function)))
    (and root (file-name-as-directory root))))

(defun lanebridge--folder (root)
  "ROOT as LSP has it."
  (list :uri (lanebridge-file-uri (directory-file-name root))
        :name (file-name-nondirectory (directory-file-name root))))

(defun lanebridge-add-folder (root)
  "Tell the server of the folder ROOT, if it does not know it."
  (let ((server (lanebridge-server)))
    (when (and root server (not (member root (lanebridge-server-folders server))))
      (push root (lanebridge-server-folders server))
      (when (eq (lanebridge-server-state server) 'ready)
        (lanebridge-notify "workspace/didChangeWorkspaceFolders"
                           (list :event (list :added (vector (lanebridge--folder root))
                                              :removed [])))))))

;;; Our connection

(defclass lanebridge--connection (jsonrpc-process-connection)
  ((server :initarg :server :accessor lanebridge--connection-server)
   (sent :initform nil :accessor lanebridge--connection-sent
         :documentation "The id of what was sent last."))
  :documentation "A connection whose requests can be answered later.")

(cl-defstruct (lanebridge--later (:copier nil))
  "The mark of an answer that comes later." method params)

(cl-defmethod jsonrpc-connection-send :around ((connection lanebridge--connection) &rest args)
  "Send ARGS by CONNECTION, unless the answer in them comes later."
  (let ((id (plist-get args :id))
        (result (plist-get args :result))
        (server (lanebridge--connection-server connection)))
    (if (not (lanebridge--later-p result))
        (progn
          (setf (lanebridge--connection-sent connection) id)
          (apply #'cl-call-next-method connection args))
      (lanebridge-receive-request
       server (lanebridge--later-method result) (lanebridge--later-params result)
       (lanebridge-make-reply server id
                              (lambda (result problem)
                                (if problem
                                    (jsonrpc-connection-send connection :id id :error problem)
                                  (jsonrpc-connection-send connection :id id :result result))))))))

(defun lanebridge--contact (command)
  "The program and arguments of COMMAND, as they are started here."
  (if (not (file-remote-p default-directory))
      command
    ;; TRAMP gives it a terminal, which must leave the bytes as they are,
    ;; and from which the server would not read.
    (list "sh" "-c" (concat "stty raw -echo >/dev/null 2>&1; cat | "
                            (mapconcat #'shell-quote-argument command " ")))))

(defun lanebridge--process (name)
  "Start the server as a process NAME."
  (let ((command lanebridge-command))
    (unless (executable-find (car command) (file-remote-p default-directory))
      (signal 'lanebridge-error
              (list (format (concat "there is no program \"%s\"%s.  Install Lanebridge, "
                                    "or name it by `lanebridge-command'")
                            (car command)
                            (let ((host (file-remote-p default-directory 'host)))
                              (if host (concat " on " host) ""))))))
    (make-process :name name
                  :command (lanebridge--contact command)
                  :coding 'utf-8-emacs-unix
                  :connection-type 'pipe
                  :noquery t
                  :stderr (get-buffer-create (format "*%s stderr*" name))
                  :file-handler t)))

(defun lanebridge--quiet ()
  "Arguments that keep jsonrpc.el from logging every message."
  (if (fboundp 'jsonrpc-convert-from-endpoint)
      (list :events-buffer-config (list :size lanebridge-log-size :format 'full))
    (list :events-buffer-scrollback-size lanebridge-log-size)))

(defun lanebridge--hush (process)
  "Keep jsonrpc.el from telling of PROCESS's end: we do."
  (let ((sentinel (process-sentinel process)))
    (set-process-sentinel process (lambda (&rest args)
                                    (let ((inhibit-message t) (message-log-max nil))
                                      (apply sentinel args))))))

(defun lanebridge--connect (server)
  "Start a process for SERVER, with a connection to it."
  (let* ((where (lanebridge-server-remote server))
         (name (if (equal where "") "lanebridge" (concat "lanebridge " where)))
         (connection
          (apply #'make-instance 'lanebridge--connection
                 :name name
                 :process (lambda (&optional _) (lanebridge--process name))
                 :request-dispatcher
                 (lambda (_ method params)
                   (make-lanebridge--later :method (symbol-name method) :params params))
                 :notification-dispatcher
                 (lambda (_ method params)
                   (lanebridge-receive-notification server (symbol-name method) params))
                 :on-shutdown (lambda (_) (lanebridge--enqueue server #'lanebridge--ended server))
                 :server server
                 (lanebridge--quiet))))
    (lanebridge--hush (jsonrpc--process connection))
    (setf (lanebridge-server-connection server) connection
          (lanebridge-server-notifier server)
          (lambda (method params)
            (jsonrpc-notify connection (intern method) params))
          (lanebridge-server-sender server)
          (lambda (method params success failure)
            (jsonrpc-async-request connection (intern method) params
                                   :success-fn success :error-fn failure :timeout nil)
            (lanebridge--connection-sent connection)))))

;;; The life of a server

(defconst lanebridge--modules
  '(lanebridge-sync lanebridge-edit lanebridge-hunks lanebridge-editor lanebridge-secret
    lanebridge-inline
    lanebridge-thread lanebridge-approval lanebridge-status)
  "What handles messages; loaded with the first server.")

(defvar lanebridge--failures nil
  "When servers have ended that should not have, by where they ran.")

(defun lanebridge--initial-settings ()
  "What goes to the server as initializationOptions."
  (let ((settings (copy-sequence (lanebridge-current-settings))))
    (when lanebridge-trusted
      (setq settings (plist-put settings :trusted t)))
    (or settings lanebridge-empty)))

(defun lanebridge--initialize (server)
  "Begin to talk with SERVER."
  (let ((folders (vconcat (mapcar #'lanebridge--folder
                                  (reverse (lanebridge-server-folders server))))))
    (condition-case err
        (funcall (lanebridge-server-sender server) "initialize"
                 (list :processId (if (equal (lanebridge-server-remote server) "") (emacs-pid))
                       :clientInfo (list :name "Emacs" :version emacs-version)
                       :rootUri nil
                       :workspaceFolders (if (equal folders []) nil folders)
                       :initializationOptions (lanebridge--initial-settings)
                       :capabilities (lanebridge-client-capabilities))
                 (lambda (result)
                   (lanebridge--enqueue server #'lanebridge-set-ready server result))
                 (lambda (problem)
                   (lanebridge--enqueue server #'lanebridge--not-initialized server problem)))
      ;; It has ended already; its sentinel will say so.
      (error (lanebridge-log "initialize was not sent: %s" (error-message-string err))))))

(defun lanebridge--not-initialized (server problem)
  "SERVER has refused to start, because of PROBLEM.
If it has ended instead, that is told elsewhere."
  (when (jsonrpc-running-p (lanebridge-server-connection server))
    (setf (lanebridge-server-expected server) t)
    (lanebridge-say "the server does not start: %s" (plist-get problem :message))
    (jsonrpc-shutdown (lanebridge-server-connection server))))

(defun lanebridge-set-ready (server result)
  "SERVER has answered `initialize' with RESULT."
  (let ((capabilities (plist-get result :capabilities)))
    (setf (lanebridge-server-capabilities server) capabilities
          (lanebridge-server-encoding server)
          (intern (or (plist-get capabilities :positionEncoding) "utf-16"))
          (lanebridge-server-state server) 'ready)
    (lanebridge--with-server server
      (unless (plist-get result :attached)
        (lanebridge-notify "initialized" nil))
      (run-hooks 'lanebridge-connected-hook)
      (let ((waiting (nreverse (lanebridge-server-waiting server))))
        (setf (lanebridge-server-waiting server) nil)
        (mapc #'funcall waiting)))))

(defun lanebridge-register-server (server)
  "Have SERVER be the one of its host."
  (setf (alist-get (lanebridge-server-remote server) lanebridge--servers nil nil #'equal) server))

;;;###autoload
(defun lanebridge-start ()
  "Start the server for the current buffer's host, if none runs; give it."
  (interactive)
  (or (lanebridge-server)
      (let ((server (make-lanebridge-server :remote (lanebridge--where) :since (float-time)))
            (root (lanebridge-root)))
        (dolist (module lanebridge--modules)
          (require module nil t))
        (when root
          (push root (lanebridge-server-folders server)))
        (with-current-buffer (lanebridge--buffer server)
          (lanebridge--connect server)
          (lanebridge-register-server server)
          (lanebridge--initialize server))
        server)))

(defun lanebridge-server-gone (server)
  "SERVER has ended: what it asked needs no answer, and modules are told."
  (setf (lanebridge-server-state server) 'ended)
  (maphash (lambda (_ reply) (funcall reply 'cancel))
           (copy-hash-table (lanebridge-server-open server)))
  ;; What waited for it fails now.
  (mapc #'funcall (nreverse (lanebridge-server-waiting server)))
  (lanebridge--with-server server
    (run-hooks 'lanebridge-disconnected-hook)))

(defun lanebridge--ended (server)
  "SERVER's process has ended."
  (let ((stderr (jsonrpc-stderr-buffer (lanebridge-server-connection server))))
    (lanebridge-server-gone server)
    (unless (lanebridge-server-expected server)
      (lanebridge--restart-later server stderr))))

(defconst lanebridge-restarts-max 4
  "How often a server is started again within three minutes.")

(defun lanebridge--restart-later (server stderr)
  "Start SERVER's successor after a while, which grows; STDERR says why it ended."
  (let* ((where (lanebridge-server-remote server))
         (now (float-time))
         (recent (cl-remove-if (lambda (failure)
                                 (or (not (equal (car failure) where))
                                     (> (- now (cdr failure)) 180)))
                               lanebridge--failures)))
    (setq lanebridge--failures (cons (cons where now) recent))
    (if (or (>= (length recent) lanebridge-restarts-max)
            (eq (lanebridge-server-capabilities server) nil))
        (lanebridge-say "the server ended%s; `M-x lanebridge-restart' starts it again%s"
                        (if recent (format " %d times" (1+ (length recent))) "")
                        (lanebridge--last-words stderr))
      (lanebridge-say "the server ended; it is started again%s" (lanebridge--last-words stderr))
      (run-at-time (* 0.5 (expt 2 (length recent))) nil
                   #'lanebridge--start-again where (lanebridge-server-folders server)))))

(defun lanebridge--last-words (stderr)
  "The last line in the buffer STDERR, behind a colon."
  (if (not (buffer-live-p stderr))
      ""
    (let ((process (get-buffer-process stderr)))
      (when process
        (accept-process-output process 0.1)))
    (with-current-buffer stderr
      (let* ((lines (split-string (buffer-string) "\n" t "[ \t\r]*"))
             (words (cl-remove-if (lambda (line) (string-match-p "\\`Process .* stderr " line))
                                  lines)))
        (if words (concat ": " (car (last words))) "")))))

(defun lanebridge--start-again (where folders)
  "Start a server at WHERE for FOLDERS, as after the last one's end."
  (with-temp-buffer
    (setq default-directory (if (equal where "") (or (car folders) "/") (concat where "/")))
    (unless (lanebridge-server)
      (let ((lanebridge-root-function (lambda () (car folders))))
        (lanebridge-start))
      (mapc #'lanebridge-add-folder (cdr folders)))))

(defun lanebridge-stop ()
  "End the server that is meant here."
  (interactive)
  (let ((server (lanebridge-server)))
    (when (and server (eq (lanebridge-server-state server) 'ready)
               (not (lanebridge-server-connection server)))
      (user-error "Lanebridge: lsp-mode runs this server; `lsp-workspace-restart' starts it anew"))
    (when server
      (setf (lanebridge-server-expected server) t)
      (when (lanebridge-connected-p)
        (ignore-errors (lanebridge-request-sync "shutdown" nil 3)
                       (lanebridge-notify "exit" nil))
        (lanebridge--wait-for-end server 3))
      (unless (eq (lanebridge-server-state server) 'ended)
        (when (lanebridge-server-connection server)
          (jsonrpc-shutdown (lanebridge-server-connection server)))
        (lanebridge--wait-for-end server 1)
        (setf (lanebridge-server-state server) 'ended)))))

(defun lanebridge--wait-for-end (server seconds)
  "Wait until SERVER has ended and that is known, for SECONDS at most."
  (let ((until (+ (float-time) seconds)))
    (while (and (not (eq (lanebridge-server-state server) 'ended)) (< (float-time) until))
      (accept-process-output nil 0.02)
      (lanebridge--drain server))))

(defun lanebridge-restart ()
  "End the server that is meant here, and start it anew."
  (interactive)
  (let* ((server (lanebridge-server))
         (where (lanebridge--where))
         (folders (and server (lanebridge-server-folders server))))
    (lanebridge-stop)
    (setq lanebridge--failures nil)
    (if folders
        (lanebridge--start-again where folders)
      (lanebridge-start))))

(defun lanebridge--stop-all ()
  "End all servers, because Emacs ends."
  (pcase-dolist (`(,_ . ,server) lanebridge--servers)
    (setf (lanebridge-server-expected server) t)
    (let ((connection (lanebridge-server-connection server)))
      (when (and connection (jsonrpc-running-p connection))
        (ignore-errors
          (funcall (lanebridge-server-notifier server) "exit" lanebridge-empty))))))

(add-hook 'kill-emacs-hook #'lanebridge--stop-all)

;;; What is sent

(defun lanebridge--params (params)
  "PARAMS as they are sent."
  (or params lanebridge-empty))

(defun lanebridge-notify (method params)
  "Send the notification METHOD with PARAMS, if a server runs."
  (let ((server (lanebridge-server)))
    (when server
      (condition-case err
          (funcall (lanebridge-server-notifier server) method (lanebridge--params params))
        (error (lanebridge-log "%s was not sent: %s" method (error-message-string err)))))))

(defun lanebridge--tell-failure (problem)
  "Tell the person of PROBLEM, an error of the server."
  (lanebridge-say "%s" (plist-get problem :message)))

(defun lanebridge--in-buffer (server buffer function)
  "FUNCTION as a callback called in its turn among SERVER's, in BUFFER if it lives."
  (lambda (value)
    (lanebridge--enqueue server
                         (lambda ()
                           (if (not (buffer-live-p buffer))
                               (funcall function value)
                             (with-current-buffer buffer
                               (funcall function value)))))))

(defun lanebridge-request (method params callback &optional error-callback)
  "Send the request METHOD with PARAMS, starting a server if there is none.
CALLBACK gets the result: objects are plists, arrays vectors, false is
`:json-false', null nil.  ERROR-CALLBACK gets a plist of :code, :message
and :data; without it the message is shown.  Both are called in the
buffer that is current now, if it still lives.  Gives the id for
`lanebridge-cancel', or nil if the server is only starting."
  (let* ((server (condition-case err
                     (lanebridge-start)
                   (lanebridge-error
                    (if error-callback
                        (funcall error-callback (list :code -1 :message (cadr err)))
                      (lanebridge-say "%s" (cadr err)))
                    nil)))
         (buffer (current-buffer))
         (failure (or error-callback #'lanebridge--tell-failure))
         (send (lambda ()
                 (run-hook-with-args 'lanebridge-before-send-functions server)
                 (condition-case err
                     (funcall (lanebridge-server-sender server) method (lanebridge--params params)
                              (lanebridge--in-buffer server buffer (or callback #'ignore))
                              (lanebridge--in-buffer server buffer failure))
                   (error (funcall (lanebridge--in-buffer server buffer failure)
                                   (list :code -1 :message (error-message-string err)))
                          nil)))))
    (when server
      (if (eq (lanebridge-server-state server) 'ready)
          (funcall send)
        (push send (lanebridge-server-waiting server))
        nil))))

(defun lanebridge-cancel (id)
  "Have the server forget about our request ID; its callback gets an error."
  (when id
    (lanebridge-notify "$/cancelRequest" (list :id id))))

(defun lanebridge-request-sync (method params &optional timeout)
  "Send the request METHOD with PARAMS and wait for its result.
After TIMEOUT seconds (default: 10) or an error, signal `lanebridge-error'."
  (let* (done result problem
         (until (+ (float-time) (or timeout 10)))
         (id (lanebridge-request method params
                                 (lambda (value) (setq result value done t))
                                 (lambda (value) (setq problem value done t))))
         (server (lanebridge-server)))
    (with-local-quit
      (while (and (not done) (< (float-time) until))
        (accept-process-output nil 0.01)
        (when server (lanebridge--drain server))))
    (unless done
      (lanebridge-cancel id)
      (signal 'lanebridge-error (list (format "no answer to %s" method))))
    (when problem
      (signal 'lanebridge-error (list (plist-get problem :message))))
    result))

(defun lanebridge-execute (command argument &optional callback error-callback)
  "Have the server execute COMMAND (without \"lanebridge.\") with ARGUMENT.
CALLBACK and ERROR-CALLBACK are as of `lanebridge-request'."
  (lanebridge-request "workspace/executeCommand"
                      (append (list :command (concat "lanebridge." command))
                              (if argument (list :arguments (vector argument))))
                      callback error-callback))

;;; What every client answers

(defun lanebridge--configuration (params reply)
  "Answer workspace/configuration with PARAMS by REPLY."
  (funcall reply
           (vconcat (mapcar (lambda (item)
                              (and (equal (plist-get item :section) "lanebridge")
                                   (or (lanebridge-current-settings) lanebridge-empty)))
                            (plist-get params :items)))))

(defun lanebridge-settings-changed ()
  "Tell the servers that settings are others now."
  (pcase-dolist (`(,_ . ,server) lanebridge--servers)
    (when (eq (lanebridge-server-state server) 'ready)
      (lanebridge--with-server server
        (lanebridge-notify "workspace/didChangeConfiguration"
                           (list :settings (list :lanebridge (or (lanebridge-current-settings)
                                                                 lanebridge-empty))))))))

(lanebridge-on-request "workspace/configuration" #'lanebridge--configuration)
(lanebridge-on-request "client/registerCapability" (lambda (_ reply) (funcall reply nil)))
(lanebridge-on-request "client/unregisterCapability" (lambda (_ reply) (funcall reply nil)))
(lanebridge-on-request "window/workDoneProgress/create" (lambda (_ reply) (funcall reply nil)))
(lanebridge-on "window/showMessage"
               (lambda (params) (lanebridge-say "%s" (plist-get params :message))))
(lanebridge-on "window/logMessage"
               (lambda (params) (lanebridge-log "%s" (plist-get params :message))))

(provide 'lanebridge-connection)
;;; lanebridge-connection.el ends here
