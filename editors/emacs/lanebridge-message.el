;;; lanebridge-message.el --- Servers, and messages that come from them  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What a server is, which one is meant, and who gets its messages.
;; Messages that come in are put in a row and handled in their order,
;; never inside a process filter: handlers may wait for something, which
;; breaks jsonrpc.el of Emacs 28 when done in a filter.

;;; Code:

(require 'cl-lib)
(require 'url-util)
(require 'lanebridge)

(define-error 'lanebridge-error "Lanebridge")

(defconst lanebridge-empty (make-hash-table :size 1)
  "What is `{}' in JSON; nil is null, and false `:json-false'.")

(cl-defstruct (lanebridge-server (:copier nil))
  (remote nil :documentation "Where it runs, as `file-remote-p' says it; \"\": here.")
  (state 'starting :documentation "One of `starting', `ready', `ended'.")
  (sender nil :documentation "Function of METHOD, PARAMS, SUCCESS and FAILURE, giving an id.")
  (notifier nil :documentation "Function of METHOD and PARAMS.")
  (versioner nil :documentation "Function that gives the current buffer's version, if not we tell of it.")
  (connection nil :documentation "The jsonrpc connection, if it is one of ours.")
  (capabilities nil :documentation "What it said at `initialize'.")
  (encoding 'utf-16 :documentation "In what positions count characters.")
  (folders nil :documentation "Folders it knows.")
  (waiting nil :documentation "Requests made before it was ready, last first.")
  (open (make-hash-table :test #'equal) :documentation "REPLY functions of its requests, by id.")
  (head nil :documentation "Messages that have come and are not handled yet.")
  (tail nil)
  (timer nil)
  (since nil :documentation "When it was started.")
  (expected nil :documentation "Non-nil: its end is wanted."))

(defvar lanebridge--servers nil
  "Alist of servers, by where they run.")

(defvar lanebridge--server nil
  "The server whose message is handled right now.")

(defvar lanebridge-connected-hook nil
  "Run when a server is ready, in a buffer of its host.")

(defvar lanebridge-disconnected-hook nil
  "Run when a server has ended, in a buffer of its host.")

(defvar lanebridge-before-send-functions nil
  "Called with a server before a request or an answer goes to it.")

;;; What modules add

(defvar lanebridge--capabilities
  (list :general (list :positionEncodings ["utf-32" "utf-16"])
        :window (list :workDoneProgress t)
        :workspace (list :configuration t
                         :workspaceFolders t
                         :didChangeConfiguration (list :dynamicRegistration t))
        :textDocument (list)
        :experimental (list :lanebridge (list :version 1)))
  "What is announced at `initialize'.")

(defun lanebridge--put-in (plist path value)
  "PLIST with VALUE at PATH, a list of keys."
  (plist-put plist (car path)
             (if (cdr path)
                 (lanebridge--put-in (plist-get plist (car path)) (cdr path) value)
               value)))

(defun lanebridge-announce (path value)
  "Announce VALUE as the client capability at PATH, a list of keys."
  (setq lanebridge--capabilities (lanebridge--put-in lanebridge--capabilities path value)))

(defun lanebridge-client-capabilities ()
  "What is announced at `initialize', by all modules."
  lanebridge--capabilities)

(defvar lanebridge--on (make-hash-table :test #'equal)
  "Functions of notifications, by method.")

(defvar lanebridge--on-request (make-hash-table :test #'equal)
  "The function of each request of the server.")

(defun lanebridge-on (method function)
  "Have FUNCTION called with the params of notifications METHOD."
  (let ((known (gethash method lanebridge--on)))
    (unless (member function known)
      (puthash method (append known (list function)) lanebridge--on))))

(defun lanebridge-on-request (method function)
  "Have FUNCTION called for requests METHOD of the server.
It gets the params and a function REPLY, to be called once, then or
later, with the result and, instead of one, an error: a text, or a plist
of :code and :message.  REPLY gives nil, and does nothing, when the
server has taken its request back; (funcall REPLY \\='on-cancel FN) has
FN called when it does."
  (puthash method function lanebridge--on-request))

;;; Files and URIs

(defun lanebridge-file-uri (file)
  "The URI of FILE, as the server on its host knows it."
  (concat "file://" (url-hexify-string (file-local-name (expand-file-name file))
                                       url-path-allowed-chars)))

(defun lanebridge-uri-file (uri)
  "The file of URI, with what TRAMP needs to reach it; nil: it is no file."
  (when (string-prefix-p "file://" uri)
    (concat (lanebridge--where)
            (decode-coding-string (url-unhex-string (substring uri 7)) 'utf-8))))

;;; Which server

(defun lanebridge--where ()
  "Where the server runs that is meant here."
  (if lanebridge--server
      (lanebridge-server-remote lanebridge--server)
    (or (file-remote-p default-directory) "")))

(defun lanebridge-server ()
  "The server that is meant here, if one runs or starts."
  (cl-find-if (lambda (server)
                (and server (not (eq (lanebridge-server-state server) 'ended))))
              (list lanebridge--server
                    (cdr (assoc (lanebridge--where) lanebridge--servers)))))

(defun lanebridge-connected-p ()
  "Non-nil if the server that is meant here is ready."
  (let ((server (lanebridge-server)))
    (and server (eq (lanebridge-server-state server) 'ready))))

(defun lanebridge--buffer (server)
  "A buffer on SERVER's host, in which its messages are handled."
  (let ((where (lanebridge-server-remote server)))
    (with-current-buffer (get-buffer-create (format " *lanebridge %s*" where))
      (setq default-directory (concat where "/"))
      (current-buffer))))

(defmacro lanebridge--with-server (server &rest body)
  "Evaluate BODY where SERVER is the one that is meant."
  (declare (indent 1) (debug t))
  `(let ((lanebridge--server ,server))
     (with-current-buffer (lanebridge--buffer lanebridge--server)
       ,@body)))

;;; Messages that come in

(defun lanebridge--handle (server entry)
  "Call what ENTRY, a function and its arguments, says, for SERVER."
  (condition-case err
      (save-match-data
        (lanebridge--with-server server (apply entry)))
    (error (lanebridge-log "a message was not handled: %s" (error-message-string err)))))

(defun lanebridge--drain (server)
  "Handle what has come from SERVER, with a break when keys wait."
  (when (lanebridge-server-timer server)
    (cancel-timer (lanebridge-server-timer server))
    (setf (lanebridge-server-timer server) nil))
  (let ((until (+ (float-time) 0.01)))
    (while (and (lanebridge-server-head server)
                (not (and (> (float-time) until) (input-pending-p))))
      (let ((entry (pop (lanebridge-server-head server))))
        (unless (lanebridge-server-head server)
          (setf (lanebridge-server-tail server) nil))
        (lanebridge--handle server entry)))
    (when (lanebridge-server-head server)
      (lanebridge--drain-soon server))))

(defun lanebridge--drain-soon (server)
  "Have what has come from SERVER handled when Emacs waits the next time."
  (unless (lanebridge-server-timer server)
    (setf (lanebridge-server-timer server)
          (run-at-time 0 nil #'lanebridge--drain server))))

(defun lanebridge--enqueue (server &rest entry)
  "Have ENTRY, a function and its arguments, called for SERVER in its turn."
  (let ((cell (list entry)))
    (if (lanebridge-server-tail server)
        (setcdr (lanebridge-server-tail server) cell)
      (setf (lanebridge-server-head server) cell))
    (setf (lanebridge-server-tail server) cell)
    (lanebridge--drain-soon server)))

(defun lanebridge-receive-notification (server method params)
  "Take the notification METHOD with PARAMS from SERVER."
  (if (equal method "$/cancelRequest")
      (lanebridge--enqueue server #'lanebridge--cancelled server (plist-get params :id))
    (dolist (function (gethash method lanebridge--on))
      (lanebridge--enqueue server function params))))

(defun lanebridge--cancelled (server id)
  "SERVER has taken its request ID back."
  (let ((reply (gethash id (lanebridge-server-open server))))
    (when reply
      (funcall reply 'cancel))))

(defun lanebridge-make-reply (server id answer)
  "A REPLY function for the request ID of SERVER, which calls ANSWER once.
ANSWER gets a result and an error."
  (let* (done on-cancel
         (reply
          (lambda (result &optional problem)
            (cond
             (done nil)
             ((eq result 'on-cancel) (setq on-cancel problem) t)
             (t
              (setq done t)
              (remhash id (lanebridge-server-open server))
              (when (eq result 'cancel)
                (when on-cancel (funcall on-cancel))
                (setq result nil
                      problem (list :code -32800 :message "taken back")))
              (unless (eq (lanebridge-server-state server) 'ended)
                (run-hook-with-args 'lanebridge-before-send-functions server)
                (funcall answer result
                         (if (stringp problem) (list :code -32803 :message problem) problem))
                t))))))
    (puthash id reply (lanebridge-server-open server))
    reply))

(defun lanebridge-receive-request (server method params reply)
  "Take the request METHOD with PARAMS from SERVER, answered by REPLY."
  (lanebridge--enqueue server #'lanebridge--handle-request method params reply))

(defun lanebridge--handle-request (method params reply)
  "Call the function of METHOD with PARAMS and REPLY."
  (let ((function (gethash method lanebridge--on-request)))
    (if (not function)
        (funcall reply nil (list :code -32601 :message (concat "there is no " method " here")))
      (condition-case err
          (funcall function params reply)
        (error (funcall reply nil (error-message-string err)))))))

(provide 'lanebridge-message)
;;; lanebridge-message.el ends here
